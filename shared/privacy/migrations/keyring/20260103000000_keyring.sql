-- migrate:up

-- The keyring. No service can read these tables: it calls the functions of the next migrations,
-- which run as the owner and ask `session_user` (which `set role` does not change) who is calling.

-- A data subject is this number and nothing else.
create table subject (
    subject_id uuid primary key,
    made_at timestamptz not null default now()
);

-- What a person is known by. `digest` is HMAC-SHA256(pepper, kind, source, normalised value); the
-- subject is the one who is meant where this alias is all that is known.
create table alias (
    digest bytea primary key check (octet_length(digest) = 32),
    subject_id uuid not null,
    kind text not null check (kind in ('email', 'phone', 'person_number')),
    source text check ((source is not null) = (kind = 'person_number')),
    -- Which pepper the digest was made with: the start of a digest of it, never the pepper.
    pepper text not null,
    made_at timestamptz not null default now()
);

create index alias_of_subject on alias (subject_id);

-- Further people behind an address or a telephone that they share.
create table shared_alias (
    digest bytea not null,
    subject_id uuid not null,
    made_at timestamptz not null default now(),
    primary key (digest, subject_id)
);

create index shared_alias_of_subject on shared_alias (subject_id);

-- A key of one (subject, category, context), wrapped under the key-encryption key `kek`. A
-- destroyed key stays as a tombstone, without `wrapped`: facts up to its `cut_off` add nothing. The
-- next generation is for later facts only; it remembers that moment as `after`.
create table data_key (
    subject_id uuid not null,
    category text not null,
    context text not null,
    generation integer not null check (generation >= 1),
    key_id uuid not null unique,
    kek text not null,
    wrapped bytea,
    after timestamptz,
    made_at timestamptz not null default now(),
    destroyed_at timestamptz,
    cut_off timestamptz,
    primary key (subject_id, category, context, generation),
    check ((wrapped is null) = (destroyed_at is not null)),
    check ((cut_off is null) = (destroyed_at is null))
);

-- A key of one (service, day), for bodies that are kept as they came.
create table record_key (
    service_role text not null,
    day date not null,
    key_id uuid not null unique,
    kek text not null,
    wrapped bytea,
    destroyed_at timestamptz,
    primary key (service_role, day),
    check ((wrapped is null) = (destroyed_at is not null))
);

-- Which key-encryption keys wrap keys of this ring. `kek` is derived from the key, and so tells at
-- start whether a process has been given the right one.
create table key_encryption_key (
    kek text primary key,
    recorded_at timestamptz not null default now()
);

-- What the plan lets a role do with a category. Without a purpose: seal. With one: open for it.
create table category_grant (
    role text not null,
    category text not null,
    purpose text not null default '',
    primary key (role, category, purpose)
);
