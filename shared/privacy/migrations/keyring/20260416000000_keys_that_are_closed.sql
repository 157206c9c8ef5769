-- migrate:up

-- A closed key is alive and has a cut-off: it opens, and seals nothing that came about later. Keys
-- from before had to have both or none: none has to be looked at.
alter table data_key
    drop constraint data_key_check1,
    add constraint destroyed_up_to_a_moment
    check (cut_off is not null or destroyed_at is null) not valid;

-- Closes keys of single names: facts later than the moment that each comes with begin a new
-- generation from the commit of this on, as if the key were destroyed, while what it has sealed can
-- still be read. Where there was no key, facts up to it add nothing. Keys whose facts are all later
-- stay as they are. Waits for the transactions that use a key: whatever a closed key has sealed of
-- later facts is in what they committed. No name may come twice.
create function close_keys(
    subject_ids uuid[], categories text[], contexts text[], up_tos timestamptz[]
) returns void
language plpgsql security definer set search_path = keyring, pg_temp
    set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
begin
    insert into data_key
        (subject_id, category, context, generation, key_id, kek, destroyed_at, cut_off)
    select w.subject_id, w.category, w.context, 1, gen_random_uuid(), '', now(), w.up_to
    from unnest(subject_ids, categories, contexts, up_tos)
        as w (subject_id, category, context, up_to)
    order by w.subject_id, w.category collate "C", w.context collate "C"
    on conflict do nothing;

    perform 1
    from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
    join data_key k using (subject_id, category, context)
    order by k.subject_id, k.category collate "C", k.context collate "C", k.generation
    for update of k;

    update data_key k set cut_off = greatest(k.cut_off, w.up_to)
    from unnest(subject_ids, categories, contexts, up_tos)
        as w (subject_id, category, context, up_to)
    where (k.subject_id, k.category, k.context) = (w.subject_id, w.category, w.context)
        and (k.after is null or k.after < w.up_to);
end
$$;

-- Destroys the closed keys of single names, and no other: of each name how many that were, and how
-- many are alive still, which seal later facts. Waits for the transactions that use a key.
create function destroy_closed_keys(subject_ids uuid[], categories text[], contexts text[])
returns table (subject_id uuid, category text, context text, destroyed bigint, alive bigint)
language plpgsql security definer set search_path = keyring, pg_temp
    set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
begin
    perform 1
    from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
    join data_key k using (subject_id, category, context)
    order by k.subject_id, k.category collate "C", k.context collate "C", k.generation
    for update of k;

    return query
    with gone as (
        update data_key k set wrapped = null, destroyed_at = now()
        from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
        where (k.subject_id, k.category, k.context) = (w.subject_id, w.category, w.context)
            and k.wrapped is not null and k.cut_off is not null
        returning k.key_id
    )
    select k.subject_id, k.category, k.context, count(g.key_id),
        count(k.wrapped) filter (where g.key_id is null)
    from unnest(subject_ids, categories, contexts) as w (subject_id, category, context)
    join data_key k using (subject_id, category, context)
    left join gone g using (key_id)
    group by k.subject_id, k.category, k.context;
end
$$;
