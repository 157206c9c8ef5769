-- migrate:up

-- Makes the keys that are missing and gives the newest of each (subject, category, context), in one
-- round trip. The caller sends a wrapped key for each, made beforehand, and names none twice. Gives
-- nothing for a category that the role may not seal. `places` count from 1. The first row has all
-- places whose key was made now, as it was sent, and nothing else. Each other row has one place. If
-- its key id is the one that was sent, that key was taken for a new generation; otherwise `wrapped`
-- is null where the newest key is destroyed and `at` is not later than its cut-off. `after` is the
-- cut-off of the generation before.
create function make_keys(
    subject_ids uuid[], categories text[], contexts text[], ats timestamptz[],
    key_ids uuid[], wrapped_keys bytea[], made_with text
) returns table (places bigint[], key_id uuid, generation integer, kek text, wrapped bytea,
    after timestamptz)
language plpgsql security definer set search_path = keyring, pg_temp
    set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    allowed text[] := array(
        select g.category from category_grant g where g.role = session_user and g.purpose = '');
    made bigint[];
    others bigint[];
    renewed boolean;
begin
    -- Sorted, so that calls that want the same keys wait for each other in one order. What is
    -- left over afterwards, others have made: the arrays go on with that alone.
    with wanted as (
        select * from unnest(subject_ids, categories, contexts, ats, key_ids, wrapped_keys)
            with ordinality as w (subject_id, category, context, at, key_id, wrapped, place)
        where category = any (allowed)
    ), inserted as (
        insert into data_key (subject_id, category, context, generation, key_id, kek, wrapped)
        select w.subject_id, w.category, w.context, 1, w.key_id, made_with, w.wrapped
        from wanted w
        order by w.subject_id, w.category collate "C", w.context collate "C"
        on conflict do nothing
        returning key_id
    )
    select
        array_agg(w.place) filter (where i.key_id is not null),
        array_agg(w.place) filter (where i.key_id is null),
        array_agg(w.subject_id) filter (where i.key_id is null),
        array_agg(w.category) filter (where i.key_id is null),
        array_agg(w.context) filter (where i.key_id is null),
        array_agg(w.at) filter (where i.key_id is null),
        array_agg(w.wrapped) filter (where i.key_id is null)
    into made, others, subject_ids, categories, contexts, ats, wrapped_keys
    from wanted w left join inserted i using (key_id);

    return query select coalesce(made, '{}'), null::uuid, 1, made_with, null::bytea, null::timestamptz;

    if others is null then
        return;
    end if;

    loop
        -- A statement of its own: it sees what others committed while the insert waited for them.
        -- The locks make a destroyer wait for this transaction. Keys just made, nobody sees yet.
        perform 1
        from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
        join data_key k using (subject_id, category, context)
        order by k.subject_id, k.category collate "C", k.context collate "C", k.generation
        for key share of k;

        -- A fact later than the cut-off begins a new generation. Two who try at once agree on one.
        with destroyed as (
            select w.place, w.subject_id, w.category, w.context, w.wrapped, k.generation, k.cut_off
            from unnest(others, subject_ids, categories, contexts, ats, wrapped_keys)
                as w (place, subject_id, category, context, at, wrapped)
            cross join lateral (
                select d.generation, d.cut_off from data_key d
                where d.subject_id = w.subject_id and d.category = w.category
                    and d.context = w.context
                order by d.generation desc limit 1) k
            where w.at > k.cut_off
        ), inserted as (
            insert into data_key
                (subject_id, category, context, generation, key_id, kek, wrapped, after)
            select d.subject_id, d.category, d.context, d.generation + 1, key_ids[d.place],
                made_with, d.wrapped, d.cut_off
            from destroyed d
            order by d.subject_id, d.category collate "C", d.context collate "C"
            on conflict do nothing
        )
        select exists (select from destroyed) into renewed;
        exit when not renewed;
    end loop;

    return query
    select array[w.place], k.key_id, k.generation, k.kek,
        case when k.key_id <> key_ids[w.place] then k.wrapped end, k.after
    from unnest(others, subject_ids, categories, contexts)
        as w (place, subject_id, category, context)
    cross join lateral (
        select d.* from data_key d
        where d.subject_id = w.subject_id and d.category = w.category and d.context = w.context
        order by d.generation desc limit 1) k;
end
$$;

-- Gives the keys with these ids, as far as the plan lets the calling role open their categories for
-- the purpose. `wrapped` is null for a destroyed key. A destroyer waits until the caller commits.
create function open_keys(for_purpose text, key_ids uuid[])
returns table (key_id uuid, subject_id uuid, category text, generation integer, kek text,
    wrapped bytea)
language sql security definer set search_path = keyring, pg_temp as $$
    select k.key_id, k.subject_id, k.category, k.generation, k.kek, k.wrapped
    from data_key k
    where k.key_id = any (key_ids) and k.category = any (array(
        select g.category from category_grant g
        where g.role = session_user and g.purpose = for_purpose and for_purpose <> ''))
    order by k.subject_id, k.category collate "C", k.context collate "C", k.generation
    for key share of k
$$;

-- Destroys keys for good and leaves tombstones: of each (subject, category, context) in the three
-- arrays, where a null category or context means every one. A key that is named in full and does
-- not exist gets its tombstone too, so that an older fact that comes late makes none. Waits for the
-- transactions that use a key. Gives the number of keys destroyed.
create function destroy_keys(
    subject_ids uuid[], categories text[], contexts text[], up_to timestamptz
) returns bigint
language plpgsql security definer set search_path = keyring, pg_temp
    set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    destroyed bigint;
begin
    insert into data_key
        (subject_id, category, context, generation, key_id, kek, destroyed_at, cut_off)
    select w.subject_id, w.category, w.context, 1, gen_random_uuid(), '', now(), up_to
    from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
    where w.category is not null and w.context is not null
    order by w.subject_id, w.category collate "C", w.context collate "C"
    on conflict do nothing;

    perform 1
    from data_key k
    where exists (
        select from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
        where w.subject_id = k.subject_id and k.category = coalesce(w.category, k.category)
            and k.context = coalesce(w.context, k.context))
        and k.subject_id = any (subject_ids)
    order by k.subject_id, k.category collate "C", k.context collate "C", k.generation
    for update;

    with named as (
        select k.key_id
        from data_key k
        where k.subject_id = any (subject_ids) and exists (
            select from unnest(subject_ids, categories, contexts)
                as w (subject_id, category, context)
            where w.subject_id = k.subject_id and k.category = coalesce(w.category, k.category)
                and k.context = coalesce(w.context, k.context))
    ), gone as (
        update data_key k
        set wrapped = null, destroyed_at = coalesce(k.destroyed_at, now()),
            cut_off = greatest(k.cut_off, up_to)
        from named n where n.key_id = k.key_id
        returning k.destroyed_at = now() as now_gone, k.kek
    )
    select count(*) into destroyed from gone where now_gone and kek <> '';
    return destroyed;
end
$$;

-- The key of the calling service for the records of a day. Made where there is none.
create function make_record_key(
    of_day date, new_key_id uuid, new_wrapped bytea, made_with text
) returns table (key_id uuid, kek text, wrapped bytea)
language plpgsql security definer set search_path = keyring, pg_temp as $$
#variable_conflict use_column
begin
    return query
    insert into record_key (service_role, day, key_id, kek, wrapped)
    values (session_user, of_day, new_key_id, made_with, new_wrapped)
    on conflict do nothing
    returning key_id, kek, wrapped;
    if not found then
        return query
        select k.key_id, k.kek, k.wrapped from record_key k
        where k.service_role = session_user and k.day = of_day
        for key share;
    end if;
end
$$;

create function open_record_keys(key_ids uuid[])
returns table (key_id uuid, kek text, wrapped bytea)
language sql security definer set search_path = keyring, pg_temp as $$
    select k.key_id, k.kek, k.wrapped from record_key k
    where k.service_role = session_user and k.key_id = any (key_ids)
    order by k.day
    for key share
$$;

-- Destroys the calling service's record keys of the days before this one; how many it were.
create function destroy_record_keys(before_day date) returns bigint
language sql security definer set search_path = keyring, pg_temp as $$
    with gone as (
        update record_key set wrapped = null, destroyed_at = now()
        where service_role = session_user and day < before_day and wrapped is not null
        returning 1)
    select count(*) from gone
$$;

-- Records the key-encryption key at the very first start; else gives whether it is one of ours.
create function know_key_encryption_key(of_process text) returns boolean
language plpgsql security definer set search_path = keyring, pg_temp as $$
begin
    -- Two first starts with two keys: only one of them may be the first.
    lock table key_encryption_key in share row exclusive mode;
    insert into key_encryption_key (kek)
    select of_process where not exists (select from key_encryption_key);
    return exists (select from key_encryption_key k where k.kek = of_process);
end
$$;
