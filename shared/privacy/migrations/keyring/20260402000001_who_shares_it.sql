-- migrate:up

-- What a subject is known by, and who else is: kinds, dates and subjects, never a digest.
drop function aliases_of(uuid);
create function aliases_of(of_subject uuid)
returns table (kind text, source text, shared boolean, made_at timestamptz, shared_with uuid[])
language sql stable security definer set search_path = keyring, pg_temp as $$
    with own as (
        select a.digest, a.kind, a.source, false as shared, a.made_at
        from alias a where a.subject_id = of_subject
        union all
        select a.digest, a.kind, a.source, true, h.made_at
        from shared_alias h join alias a using (digest) where h.subject_id = of_subject
    )
    select o.kind, o.source, o.shared, o.made_at, array(
        select e.subject_id
        from find_everybody(array[o.digest]) e
        where e.subject_id = e.person and e.subject_id <> of_subject
        order by e.subject_id)
    from own o
    order by o.made_at, o.kind
$$;

-- These and who proved to be the same person, whichever subject of a person one asks by; first whom
-- the aliases lead to.
create or replace function same_people(subject_ids uuid[]) returns table (subject_id uuid)
language sql stable security definer set search_path = keyring, pg_temp as $$
    with person as (
        select distinct coalesce(p.same_as, u.subject_id) as subject_id
        from unnest(subject_ids) as u (subject_id)
        left join same_person p on p.subject_id = u.subject_id
    )
    select m.subject_id
    from (
        select n.subject_id, 1 as place from person n
        union all
        select p.subject_id, 2 from person n join same_person p on p.same_as = n.subject_id) m
    order by m.place, m.subject_id
$$;
