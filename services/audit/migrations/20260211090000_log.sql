-- migrate:up

-- The log. An entry is never changed and never leaves: privileges allow the service to insert and
-- to read, and the trigger refuses everyone else too, the owner and a superuser included.
create table entry (
    -- Its place in the log, from 0 and without gaps: the leaf index of a tree over the log.
    sequence bigint primary key check (sequence >= 0),
    id uuid not null unique,
    -- Where it stood in the topic. Entries follow the topic's order, save one that was a dead
    -- letter first: that one comes when it is redriven.
    topic_offset bigint not null,
    type text not null,
    at timestamptz not null,
    actor text not null,
    subject_id uuid,
    recipient text,
    purpose text,
    event_id uuid,
    disclosure_id uuid,
    categories text[] not null default '{}',
    -- The entry as it was made once and is served for ever: a CloudEvent as JSON, keys sorted,
    -- UTF-8. The columns above are for finding it; only these bytes are the entry.
    body bytea not null
);

create index entry_by_time on entry using brin (at);
create index entry_by_subject on entry (subject_id, sequence) where subject_id is not null;
create index entry_by_recipient on entry (recipient, sequence) where recipient is not null;
create index entry_by_event on entry (event_id, sequence) where event_id is not null;
-- What became of a disclosure: two entries at most among the many that it made.
create index entry_by_outcome on entry (disclosure_id)
where type in ('DisclosureDelivered', 'DisclosureFailed');

create function refuse_change() returns trigger
language plpgsql as $$
begin
    raise exception 'the audit log is append only: % is refused', lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;

create trigger entry_is_append_only
before update or delete or truncate on entry
for each statement execute function refuse_change();
-- Also for sessions that pose as a replica, where ordinary triggers sleep.
alter table entry enable always trigger entry_is_append_only;

-- How many entries the log has. Whoever appends locks this row first, so that sequence numbers
-- follow commits and leave no gap.
create table tree_head (
    singleton boolean primary key default true check (singleton),
    size bigint not null check (size >= 0)
);
insert into tree_head (size) values (0);

grant select, insert on entry to steward_audit;
grant select, update (size) on tree_head to steward_audit;
