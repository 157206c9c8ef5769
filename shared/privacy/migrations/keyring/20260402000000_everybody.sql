-- migrate:up

-- Everybody whom each digest stands for: whom it leads to, then who shares it, each with those who
-- proved to be the same person behind. `person` tells one person from another: it is the subject
-- that all aliases of the person lead to. Makes nothing, and knows nothing of the erased.
create function find_everybody(digests bytea[])
returns table (digest bytea, person uuid, subject_id uuid)
language sql stable security definer set search_path = keyring, pg_temp as $$
    with holder as (
        select a.digest, a.subject_id, 1 as rank from alias a where a.digest = any (digests)
        union all
        select h.digest, h.subject_id, 2 from shared_alias h where h.digest = any (digests)
    ), known as (
        select h.digest, coalesce(p.same_as, h.subject_id) as person, min(h.rank) as rank
        from holder h
        left join subject s on s.subject_id = h.subject_id
        left join same_person p on p.subject_id = h.subject_id
        where s.erased_at is null
        group by h.digest, coalesce(p.same_as, h.subject_id)
    )
    select k.digest, k.person, m.subject_id
    from known k
    cross join lateral (
        select k.person as subject_id, 1 as place
        union all
        select p.subject_id, 2 from same_person p where p.same_as = k.person) m
    order by k.digest, k.rank, k.person, m.place, m.subject_id
$$;
