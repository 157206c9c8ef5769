-- migrate:up

-- Of each of these subjects the others that proved to be the same person; mostly there are none.
create function others_of(subject_ids uuid[]) returns table (subject_id uuid, other uuid)
language sql stable security definer set search_path = keyring, pg_temp as $$
    with asked as (
        select distinct u.subject_id, coalesce(p.same_as, u.subject_id) as person
        from unnest(subject_ids) as u (subject_id)
        left join same_person p on p.subject_id = u.subject_id
    )
    select a.subject_id, m.subject_id
    from asked a
    cross join lateral (
        select a.person as subject_id
        union all
        select p.subject_id from same_person p where p.same_as = a.person) m
    where m.subject_id <> a.subject_id
    order by a.subject_id, m.subject_id
$$;
