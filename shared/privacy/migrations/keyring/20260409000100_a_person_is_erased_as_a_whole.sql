-- migrate:up

-- Who has several subjects is found by what leads to one of them. Until now a key of another, made
-- after an erasure, left that one erased: nobody was known by the address, and data was readable.
update subject s set erased_at = null
where s.erased_at is not null
    and exists (
        select from same_people(array[s.subject_id]) p
        join data_key k on k.subject_id = p.subject_id and k.wrapped is not null);

-- As before, and: a person is erased as a whole, under every subject that proved to be the same.
--
-- Destroys keys for good and leaves tombstones: of each (subject, category, context) in the three
-- arrays, where null means every one: a person, an event or a class is one statement. Facts up to
-- the moment add nothing from then on, also where there was no key. Keys whose facts are all later
-- stay. Waits for the transactions that use a key. Gives the number of keys destroyed by person and
-- category; whoever is not named is counted under null, all in one.
--
-- Whoever names more than single keys had better have announced the cut-off, in a transaction
-- before: makers of keys then wait for that one only, and not for this one.
create or replace function destroy_keys(
    subject_ids uuid[], categories text[], contexts text[], up_to timestamptz
) returns table (subject_id uuid, category text, keys bigint)
language plpgsql security definer set search_path = keyring, pg_temp
    set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    named uuid[];
    locked uuid[];
    whole uuid[] := array(
        select w.subject_id
        from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
        where w.subject_id is not null and w.category is null and w.context is null);
begin
    perform announce_cut_off(subject_ids, categories, contexts, up_to);

    insert into data_key
        (subject_id, category, context, generation, key_id, kek, destroyed_at, cut_off)
    select w.subject_id, w.category, w.context, 1, gen_random_uuid(), '', now(), up_to
    from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
    where num_nulls(w.subject_id, w.category, w.context) = 0
    order by w.subject_id, w.category collate "C", w.context collate "C"
    on conflict do nothing;

    select array_agg(key_id) into locked from named_keys(subject_ids, categories, contexts);

    perform 1
    from data_key k
    where k.key_id = any (locked)
    order by k.subject_id, k.category collate "C", k.context collate "C", k.generation
    for update;

    -- A person may be getting a key for a later fact that nobody sees yet: who makes it holds these
    -- rows until it can be seen.
    perform 1
    from subject s
    where s.subject_id = any (array(select p.subject_id from same_people(whole) p))
    order by s.subject_id
    for update;

    -- Once more: what was made while we waited for who makes keys of single names. A tombstone that
    -- came since then is left alone: who makes keys keeps up its cut-off, and may wait for us.
    select array_agg(key_id) into named from named_keys(subject_ids, categories, contexts);

    return query
    with gone as (
        update data_key k
        set wrapped = null, destroyed_at = coalesce(k.destroyed_at, now()),
            cut_off = greatest(k.cut_off, up_to)
        where k.key_id = any (named) and (k.after is null or k.after < up_to)
            and (k.kek <> '' or k.key_id = any (locked))
        returning case when k.subject_id = any (subject_ids) then k.subject_id end as whose,
            k.category, k.destroyed_at = now() as now_gone, k.kek
    )
    select g.whose, g.category, count(*) from gone g
    where g.now_gone and g.kek <> '' group by g.whose, g.category;

    update subject s set erased_at = now()
    where s.subject_id = any (whole) and s.erased_at is null
        and not exists (
            select from same_people(array[s.subject_id]) p
            left join data_key k on k.subject_id = p.subject_id and k.wrapped is not null
            where k.key_id is not null or p.subject_id <> all (whole));
end
$$;

-- Who registers after an erasure is a person again whom everybody may find, under every subject of
-- theirs. An erasure that has not committed looks for living keys: it waits for these rows, or we
-- wait for it and then see.
create function come_back(subject_ids uuid[]) returns void
language plpgsql security definer set search_path = keyring, pg_temp as $$
declare
    person uuid[] := array(select p.subject_id from same_people(subject_ids) p);
begin
    perform 1 from subject s where s.subject_id = any (person) order by s.subject_id for update;
    update subject s set erased_at = null
    where s.subject_id = any (person) and s.erased_at is not null;
end
$$;

-- As before, and: who gets a key again comes back as a whole; and what a cut-off covers is locked in
-- one order.
--
-- Makes the keys that are missing and gives the newest of each (subject, category, context), in one
-- round trip. The caller sends a wrapped key for each, made beforehand, and names none twice. Gives
-- nothing for a category that the role may not seal. `places` count from 1. The first row has all
-- places whose key was made now, as it was sent, and nothing else. Each other row has one place. If
-- its key id is the one that was sent, that key was taken for a new generation; otherwise `wrapped`
-- is null where the newest key is destroyed and `at` is not later than its cut-off. `after` is the
-- cut-off of the generation before.
create or replace function make_keys_under(
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
    everyone constant uuid := '00000000-0000-0000-0000-000000000000';
    made bigint[];
    others bigint[];
    renewed uuid[];
    came_back uuid[] := '{}';
    locked uuid[];
begin
    if not categories <@ allowed then
        perform note_attempt(array_agg(c), '', 'keyring') from unnest(categories) c where c <> all (allowed);
    end if;

    -- Who announces a cut-off waits for us, and we for him: what follows then knows of it.
    perform pg_advisory_xact_lock_shared(hashtext('keyring cut_off'));

    -- Where a cut-off covers a name, a tombstone stands for the key that older facts do not get.
    if exists (select from cut_off c where c.subject_id = any (subject_ids))
        or exists (select from cut_off c where c.subject_id = everyone
            and (c.context = '*' or c.context = any (contexts)))
    then
        insert into data_key
            (subject_id, category, context, generation, key_id, kek, destroyed_at, cut_off)
        select w.subject_id, w.category, w.context, 1, gen_random_uuid(), '', now(), covered.up_to
        from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
        cross join lateral (
            select max(c.up_to) as up_to from cut_off c
            where c.subject_id in (w.subject_id, everyone) and c.context in (w.context, '*')
                and c.category in (w.category, '')) covered
        where covered.up_to is not null and w.category = any (allowed)
        order by w.subject_id, w.category collate "C", w.context collate "C"
        on conflict do nothing;

        -- Nor the one after a key that an earlier erasure has destroyed. What is covered is locked
        -- first, in the order of all who lock keys: a destroyer names it too, and so may others.
        with covered_keys as (
            select k.key_id, covered.up_to
            from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
            join data_key k using (subject_id, category, context)
            cross join lateral (
                select max(c.up_to) as up_to from cut_off c
                where c.subject_id in (w.subject_id, everyone) and c.context in (w.context, '*')
                    and c.category in (w.category, '')) covered
            where covered.up_to is not null and w.category = any (allowed)
            order by k.subject_id, k.category collate "C", k.context collate "C", k.generation
            for no key update of k
        )
        update data_key k set cut_off = c.up_to
        from covered_keys c where k.key_id = c.key_id and k.cut_off < c.up_to;
    end if;

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
        select array_agg(l.key_id) from (
            select k.key_id
            from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
            join data_key k using (subject_id, category, context)
            order by k.subject_id, k.category collate "C", k.context collate "C", k.generation
            for key share of k) l
        into locked;

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
        select array_agg(d.subject_id) from destroyed d into renewed;
        -- While we waited for a lock, another may have made a generation that we did not see.
        exit when renewed is null and not exists (
            select from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
            join data_key k using (subject_id, category, context)
            where not (k.key_id = any (locked)));

        came_back := came_back || renewed;
    end loop;

    if cardinality(came_back) > 0 then
        perform come_back(came_back);
    end if;

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
