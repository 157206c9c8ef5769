-- migrate:up

-- Lets each alias stand for a subject, besides whom it stands for: where nobody has it, it leads to
-- the subject from now on; where somebody has it, it goes on leading there, and is the other's too.
-- For whoever is known already and says of another address that it is theirs: see `identify`.
--
-- One element per alias: its subject, kind (never a source's number) and digest. Digests under older
-- peppers come beside the place (1, 2, …) of the alias that they are of. Of two subjects that proved
-- to be one person, the one whom all aliases of the person lead to gets it. Gives the places of those
-- that stand for their subject now: not of the erased, who are to be found by nobody.
create function add_aliases(
    subject_ids uuid[], kinds text[], digests bytea[],
    old_digests bytea[], old_places integer[], made_with text
) returns table (place bigint)
language plpgsql security definer set search_path = keyring, pg_temp
    set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
begin
    -- What is known under an older pepper only becomes known under the newest.
    if cardinality(old_digests) > 0 then
        insert into alias (digest, subject_id, kind, source, pepper)
        select distinct on (n.digest) n.digest, a.subject_id, a.kind, a.source, made_with
        from unnest(old_digests, old_places) with ordinality as o (digest, place, age)
        join alias a on a.digest = o.digest
        cross join lateral (select digests[o.place] as digest) n
        order by n.digest, o.age
        on conflict do nothing;
        insert into shared_alias (digest, subject_id)
        select distinct digests[o.place], s.subject_id
        from unnest(old_digests, old_places) as o (digest, place)
        join shared_alias s on s.digest = o.digest
        on conflict do nothing;
    end if;

    -- Null stands for the erased.
    select array_agg(case when s.erased_at is null then t.subject_id end order by w.place)
    into subject_ids
    from unnest(subject_ids) with ordinality as w (subject_id, place)
    left join same_person p on p.subject_id = w.subject_id
    cross join lateral (select coalesce(p.same_as, w.subject_id) as subject_id) t
    left join subject s on s.subject_id = t.subject_id;

    loop
        -- Claim first, sorted, and lock whom the others lead to after that, sorted too: as
        -- `identify` does, so that whoever waits there holds nothing that another waits for here.
        insert into alias (digest, subject_id, kind, pepper)
        select distinct on (w.digest) w.digest, w.subject_id, w.kind, made_with
        from unnest(subject_ids, kinds, digests) as w (subject_id, kind, digest)
        where w.subject_id is not null
        order by w.digest, w.subject_id
        on conflict do nothing;

        perform 1 from subject s
        where s.subject_id = any (array(
            select a.subject_id
            from unnest(subject_ids, digests) as w (subject_id, digest)
            join alias a using (digest) where a.subject_id <> w.subject_id))
        order by s.subject_id for update;

        -- Whom an alias led to may have been forgotten while we waited: then nobody has it.
        exit when not exists (
            select from unnest(subject_ids, digests) as w (subject_id, digest)
            where w.subject_id is not null
                and not exists (select from alias a where a.digest = w.digest));
    end loop;

    insert into shared_alias (digest, subject_id)
    select distinct w.digest, w.subject_id
    from unnest(subject_ids, digests) as w (subject_id, digest)
    join alias a using (digest) where a.subject_id <> w.subject_id
    order by w.digest, w.subject_id
    on conflict do nothing;

    return query
    select w.place from unnest(subject_ids) with ordinality as w (subject_id, place)
    where w.subject_id is not null;
end
$$;
