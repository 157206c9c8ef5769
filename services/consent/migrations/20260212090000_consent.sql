-- migrate:up

-- Every answer and every withdrawal, as it came: the proof of consent (article 7(1)), and of what
-- was shown. Nothing here is ever changed; the state of today is a projection of it.
create table consent_record (
    id uuid primary key,
    subject_id uuid not null,
    purpose text not null,
    state text not null check (state in ('given', 'refused', 'withdrawn')),
    at timestamptz not null,
    -- What was shown, and in which language; a withdrawal answers nothing that was shown.
    wording text,
    language text,
    collected_by text not null check (collected_by in ('registration', 'contact')),
    source text not null,
    -- What the record came from: the registration, or a keyed digest of the message. The same
    -- origin says the same thing once, however often it is told and however late.
    origin bytea not null,
    plan_digest text not null,
    recorded_at timestamptz not null,
    unique (origin, purpose),
    check ((state = 'withdrawn') = (wording is null and language is null))
);

create index consent_record_by_subject on consent_record (subject_id, purpose, at);

create function refuse_change() returns trigger
language plpgsql as $$
begin
    raise exception 'consent records are append only: % is refused', lower(tg_op)
    using errcode = 'insufficient_privilege';
end
$$;

create trigger consent_record_is_append_only
before update or delete or truncate on consent_record
for each statement execute function refuse_change();
alter table consent_record enable always trigger consent_record_is_append_only;

-- What holds now, per person and purpose: the record with the latest time; of one time, the one
-- that allows least.
create table consent_state (
    subject_id uuid not null,
    purpose text not null,
    state text not null check (state in ('given', 'refused', 'withdrawn')),
    at timestamptz not null,
    -- given 0, refused 1, withdrawn 2: decides between records of one time.
    weight smallint not null,
    record_id uuid not null references consent_record (id),
    primary key (subject_id, purpose)
);

-- Whom to write to: only people who gave a consent that needs these data, sealed.
create table contact (
    subject_id uuid primary key,
    category text not null,
    language text not null,
    sealed bytea not null,
    at timestamptz not null
);

grant select, insert on consent_record to steward_consent;
grant select, insert, update on consent_state to steward_consent;
grant select, insert, update, delete on contact to steward_consent;
