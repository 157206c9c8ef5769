-- migrate:up

-- Who asked for a category that the plan does not grant, counted by the minute: who asks without
-- end makes one row of it. The names are those of the plan, or nothing: a role could send any text.
create table access_attempt (
    role text not null,
    category text not null,
    purpose text not null,
    minute timestamptz not null,
    -- The door of `shared.privacy`, before it asked, or the keyring, whoever asked. Apart also because
    -- the door counts in a transaction of its own while the caller's may hold the keyring's row.
    refused_by text not null check (refused_by in ('door', 'keyring')),
    attempts bigint not null,
    primary key (role, category, purpose, minute, refused_by)
);

-- Counts one attempt for each category. For the functions of the keyring alone, which ask
-- `session_user` for the role. Sorted, so that two who attempt the same do not deadlock.
create function note_attempt(categories text[], for_purpose text, refused_by text) returns void
language sql security definer set search_path = keyring, pg_temp as $$
    insert into access_attempt as a (role, category, purpose, minute, refused_by, attempts)
    select session_user, w.category,
        case when exists (select from category_grant g where g.purpose = for_purpose)
            then for_purpose else '' end,
        date_trunc('minute', clock_timestamp()), note_attempt.refused_by, 1
    from (
        select distinct case when exists (select from category_grant g where g.category = u.name)
            then u.name else '' end as category
        from unnest(categories) as u (name)) w
    order by w.category
    on conflict (role, category, purpose, minute, refused_by)
    do update set attempts = a.attempts + excluded.attempts
$$;

-- The door was asked for categories that it did not even ask the keyring for. Called in a
-- transaction of its own: the one that was refused is rolled back.
create function record_attempt(categories text[], for_purpose text) returns void
language sql security definer set search_path = keyring, pg_temp as $$
    select note_attempt(categories, for_purpose, 'door')
$$;

-- The attempts of minutes that are over, at most so many; who takes them says them to the log.
create function take_attempts(before timestamptz, most integer)
returns table (role text, category text, purpose text, minute timestamptz, refused_by text,
    attempts bigint)
language sql security definer set search_path = keyring, pg_temp as $$
    delete from access_attempt a using (
        select t.role, t.category, t.purpose, t.minute, t.refused_by from access_attempt t
        where t.minute < date_trunc('minute', before)
        order by t.minute limit most
        for update skip locked) taken
    where (a.role, a.category, a.purpose, a.minute, a.refused_by)
        = (taken.role, taken.category, taken.purpose, taken.minute, taken.refused_by)
    returning a.role, a.category, a.purpose, a.minute, a.refused_by, a.attempts
$$;

-- Gives the keys with these ids, as far as the plan lets the calling role open their categories for
-- the purpose; the rest is an attempt. `wrapped` is null for a destroyed key. A destroyer waits
-- until the caller commits. The caller names no key twice.
create or replace function open_keys(for_purpose text, key_ids uuid[])
returns table (key_id uuid, subject_id uuid, category text, generation integer, kek text,
    wrapped bytea)
language plpgsql security definer set search_path = keyring, pg_temp
    set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    allowed text[] := array(
        select g.category from category_grant g
        where g.role = session_user and g.purpose = for_purpose and for_purpose <> '');
    given bigint;
begin
    return query
    select k.key_id, k.subject_id, k.category, k.generation, k.kek, k.wrapped
    from data_key k
    where k.key_id = any (key_ids) and k.category = any (allowed)
    order by k.subject_id, k.category collate "C", k.context collate "C", k.generation
    for key share of k;
    get diagnostics given = row_count;
    if given < cardinality(key_ids) then
        perform note_attempt(array_agg(k.category), for_purpose, 'keyring')
        from data_key k
        where k.key_id = any (key_ids) and k.category <> all (allowed)
        having count(*) > 0;
    end if;
end
$$;
