-- migrate:up

-- What a disclosure released and its recipient has not received yet. Committed with the audit
-- entries, so that a process that dies before the delivery leaves both or neither. The values stay
-- sealed under the keys of their subjects, and are unreadable with them.
create table handover (
    disclosure_id uuid primary key,
    recipient text not null,
    purpose text not null,
    event_id uuid,
    fields text[] not null,
    people integer not null check (people > 0),
    actor text not null,
    plan_digest text not null,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
    reason text check ((reason is not null) = (state = 'failed')),
    made_at timestamptz not null,
    ended_at timestamptz check ((ended_at is not null) = (state <> 'pending'))
);

create index handover_pending on handover (made_at) where state <> 'delivered';

-- One sealed value of one person. `fields` is what of it this person's disclosure may contain.
create table handover_value (
    disclosure_id uuid not null references handover (disclosure_id) on delete cascade,
    subject_id uuid not null,
    category text not null,
    fields text[] not null,
    sealed bytea not null,
    primary key (disclosure_id, subject_id, category)
);

do $$
begin
    execute format('grant select, insert, update on handover to %I', 'steward_' || current_schema());
    execute format('grant select, insert, delete on handover_value to %I',
        'steward_' || current_schema());
end
$$;
