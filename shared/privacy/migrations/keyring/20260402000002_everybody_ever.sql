-- migrate:up

-- As `find_everybody`, and also the erased, and whom the digests (of one alias, under each pepper) led
-- to before an erasure; first whom they lead to now. Two who are not known to be one person are two:
-- whoever came with an address after somebody else was erased may be anybody.
drop function find_history(bytea[]);
create function find_everybody_ever(digests bytea[]) returns table (person uuid, subject_id uuid)
language sql stable security definer set search_path = keyring, pg_temp as $$
    with led as (
        select a.subject_id, 1 as rank from alias a where a.digest = any (digests)
        union all
        select h.subject_id, 2 from shared_alias h where h.digest = any (digests)
        union all
        select e.subject_id, 3 from erased_alias e where e.digest = any (digests)
    ), known as (
        select coalesce(p.same_as, l.subject_id) as person, min(l.rank) as rank
        from led l left join same_person p on p.subject_id = l.subject_id
        group by coalesce(p.same_as, l.subject_id)
    )
    select k.person, m.subject_id
    from known k
    cross join lateral (
        select k.person as subject_id, 1 as place
        union all
        select p.subject_id, 2 from same_person p where p.same_as = k.person) m
    order by k.rank, k.person, m.place, m.subject_id
$$;
