-- migrate:up

-- An event on offer. `offer` is what its source announced last, as the contract writes it; the
-- columns beside it are what statements here search, order or count by.
create table event (
    id uuid primary key,
    source text not null,
    number text not null,
    -- Keyed digest of source and number: what registrations name an event by.
    reference bytea not null unique,
    version bigint not null check (version >= 1),
    sequence bigint not null check (sequence >= 1),
    status text not null check (status in ('open', 'cancelled', 'ended')),
    ends_at timestamptz not null,
    offer jsonb not null,
    capacity integer check (capacity >= 1),
    -- Kept by the one who holds the event's lock; tests hold them against a count of registrations.
    places_taken integer not null check (places_taken >= 0),
    waitlisted integer not null check (waitlisted >= 0),
    last_in_line bigint not null check (last_in_line >= 0),
    opened_at timestamptz not null
) with (fillfactor = 50);

create index event_to_end on event (ends_at) where status = 'open';
create index event_to_clear on event (id)
    where status = 'cancelled' and (places_taken > 0 or waitlisted > 0);
create index event_by_number on event (number);

-- A registration. Personal data is sealed; the upstream's number is kept as a keyed digest.
create table registration (
    id uuid primary key,
    source text not null,
    reference bytea not null unique,
    subject_id uuid not null,
    event_id uuid not null references event (id),
    status text not null check (status in ('registered', 'waitlisted', 'cancelled')),
    version integer not null check (version >= 1),
    language text not null,
    -- Category to sealed value, base64: one row for a person, however many categories a form has.
    personal jsonb not null,
    consents jsonb not null,
    share_fields jsonb not null,
    -- Place in the waiting list; never given twice in an event.
    in_line bigint check ((in_line is not null) = (status = 'waitlisted')),
    registered_at timestamptz not null,
    updated_at timestamptz not null,
    cancelled_at timestamptz check ((cancelled_at is not null) = (status = 'cancelled')),
    cancelled_by text check (cancelled_by in ('person', 'organiser'))
);

-- A person is at an event once. The same index lists the people of an event.
create unique index registration_of_person on registration (event_id, subject_id)
    where status <> 'cancelled';
create unique index registration_in_line on registration (event_id, in_line)
    where status = 'waitlisted';

-- A registration that was declined: nothing of the person, only that its number was answered.
create table declined (
    reference bytea primary key,
    event_id uuid,
    reason text not null,
    declined_at timestamptz not null
);

-- A message that cannot be handled yet: whole, sealed, in the order of its coming. It waits for an
-- event or for a registration; `registration` is the number that it brings itself.
create table waiting_message (
    id bigint generated always as identity primary key,
    topic text not null,
    partition integer not null,
    request text not null,
    source text not null,
    awaits_event bytea,
    awaits_registration bytea,
    registration bytea,
    sealed bytea not null,
    waits_since timestamptz not null,
    check (num_nonnulls(awaits_event, awaits_registration) = 1)
);

create index waiting_for_event on waiting_message (awaits_event, id)
    where awaits_event is not null;
create index waiting_for_registration on waiting_message (awaits_registration, id)
    where awaits_registration is not null;
create index waiting_to_register on waiting_message (registration)
    where registration is not null;
create index waiting_since on waiting_message (waits_since, id);

-- What the consent service said last of a person and a purpose.
create table consent (
    subject_id uuid not null,
    purpose text not null,
    given boolean not null,
    at timestamptz not null,
    primary key (subject_id, purpose)
);

-- The identity column needs no grant on its sequence.
grant select, insert, update, delete on event, registration, declined, waiting_message, consent
    to steward_registration;
