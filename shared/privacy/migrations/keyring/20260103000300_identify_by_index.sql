-- migrate:up

-- `identify` as before, at a cost that does not depend on how many people are known, and without
-- sending back what the caller sent.
--
-- Finds or makes the subjects of a batch of people, in one round trip, so that concurrent callers
-- agree.
--
-- One element per alias: its person (1, 2, …), kind, source, digest, and rank: 1 the source's own
-- number, 2 the address that decides where no number does, 3 any other. At most one of rank 1 and
-- one of rank 2 per person. One element per person: a new subject id, used where one is needed,
-- and a round. People who share a digest have different rounds, the earlier one goes first.
-- Digests under older peppers come beside the place (1, 2, …) of the alias that they are of.
-- Who is not in the result got the new subject that was sent for them.
create or replace function identify(
    persons integer[], kinds text[], sources text[], digests bytea[], ranks integer[],
    rounds integer[], candidates uuid[],
    old_digests bytea[], old_places integer[], made_with text
) returns table (person integer, subject_id uuid)
language plpgsql security definer set search_path = keyring, pg_temp
    set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    -- Per alias of a person who is not settled: 0 where the digest was known before, else the first
    -- round that brings it.
    known_from integer[];
    named integer[];
    found_subjects uuid[];
    made uuid[] := '{}';
    fresh bytea[];
begin
    -- What is known under an older pepper only becomes known under the newest.
    if cardinality(old_digests) > 0 then
        insert into alias (digest, subject_id, kind, source, pepper)
        select distinct on (n.digest) n.digest, a.subject_id, a.kind, a.source, made_with
        from unnest(old_digests, old_places) with ordinality as o (digest, place, age)
        join alias a on a.digest = o.digest
        cross join lateral (select digests[o.place] as digest) n
        where not exists (select from alias k where k.digest = n.digest)
        order by n.digest, o.age
        on conflict do nothing;
        insert into shared_alias (digest, subject_id)
        select distinct digests[o.place], s.subject_id
        from unnest(old_digests, old_places) as o (digest, place)
        join shared_alias s on s.digest = o.digest
        on conflict do nothing;
    end if;

    -- Settled: what decides is known, and everything else of the person leads to the same subject.
    with known as (
        -- Each alias is looked up by its index. A join would be planned as a reading of the whole
        -- table for as long as that is small, and cost more with each person that is known.
        select p.person, p.rank, p.digest, a.subject_id
        from unnest(persons, digests, ranks) as p (person, digest, rank)
        left join lateral (
            select k.subject_id from alias k where k.digest = p.digest limit 1) a on true
    ), decided as (
        select k.person, (array_agg(k.subject_id order by k.rank))[1] as subject_id
        from known k where k.rank < 3 group by k.person
    ), settled as (
        select k.person, d.subject_id
        from known k join decided d using (person)
        group by k.person, d.subject_id
        having d.subject_id is not null and bool_and(
            k.subject_id is not null and (k.subject_id = d.subject_id or exists (
                select from shared_alias s
                where s.digest = k.digest and s.subject_id = d.subject_id)))
    )
    select array_agg(s.person), array_agg(s.subject_id) into named, found_subjects from settled s;
    return query select * from unnest(named, found_subjects);

    if named is not null then
        select array_agg(w.person order by w.place), array_agg(w.kind order by w.place),
            array_agg(w.source order by w.place), array_agg(w.digest order by w.place),
            array_agg(w.rank order by w.place)
        into persons, kinds, sources, digests, ranks
        from unnest(persons, kinds, sources, digests, ranks)
            with ordinality as w (person, kind, source, digest, rank, place)
        left join unnest(named) as s (person) using (person)
        where s.person is null;
        if persons is null then
            return;
        end if;
    end if;

    -- Claim first, sorted: whoever wants the same digest waits here until we commit. The subject is
    -- a guess, right for people of whom nothing was known. The subjects that were known are locked
    -- after that, sorted too: nobody who waits there holds what another waits for here.
    with claimed as (
        insert into alias (digest, subject_id, kind, source, pepper)
        select distinct on (w.digest) w.digest, candidates[w.person], w.kind, w.source, made_with
        from unnest(persons, kinds, sources, digests) as w (person, kind, source, digest)
        order by w.digest, rounds[w.person]
        on conflict do nothing
        returning digest
    )
    select coalesce(array_agg(digest), '{}') into fresh from claimed;

    -- Nobody shares anything and nothing was known, as when a crowd registers: every guess is right.
    if cardinality(fresh) = cardinality(digests) then
        insert into subject (subject_id)
        select candidates[p.person] from (select distinct w.person from unnest(persons) as w (person)) p;
        return;
    end if;

    select array_agg(case when f.digest is null then 0 else w.first end order by w.place)
    into known_from
    from (
        select v.digest, v.place, min(rounds[v.person]) over (partition by v.digest) as first
        from unnest(persons, digests) with ordinality as v (person, digest, place)) w
    left join unnest(fresh) as f (digest) using (digest);

    -- An alias never leads elsewhere, but a subject may get a number: not two from one source.
    perform 1 from subject s
    where s.subject_id = any (array(
        select a.subject_id
        from unnest(digests, known_from) as w (digest, known_from)
        join alias a using (digest) where w.known_from = 0))
    order by s.subject_id for update;

    for round in 1 .. (select max(rounds[w.person]) from unnest(persons) as w (person)) loop
        with here as (
            select w.*, a.subject_id
            from unnest(persons, sources, digests, ranks, known_from)
                as w (person, source, digest, rank, known_from)
            left join alias a on a.digest = w.digest and w.known_from < round
            where rounds[w.person] = round
        ), person as (
            select h.person,
                bool_or(h.rank = 1) as has_number,
                max(h.source) filter (where h.rank = 1) as source,
                (array_agg(h.subject_id) filter (where h.rank = 1))[1] as by_number,
                (array_agg(h.subject_id) filter (where h.rank = 2))[1] as by_address
            from here h group by h.person
        ), turn as (
            select p.*, row_number() over (
                partition by p.by_address, p.has_number and p.by_number is null, p.source
                order by p.person) as turn
            from person p
        )
        select array_agg(t.person), array_agg(case
            when t.by_number is not null then t.by_number
            when t.by_address is null then candidates[t.person]
            when not t.has_number then t.by_address
            when t.turn > 1 or exists (
                select from alias a where a.subject_id = t.by_address
                    and a.kind = 'person_number' and a.source = t.source)
                then candidates[t.person]
            else t.by_address
        end)
        into named, found_subjects
        from turn t;

        update alias a set subject_id = s.subject_id
        from unnest(persons, digests, known_from) as w (person, digest, known_from)
        join unnest(named, found_subjects) as s (person, subject_id) using (person)
        where a.digest = w.digest and w.known_from = round and s.subject_id <> candidates[w.person];

        insert into shared_alias (digest, subject_id)
        select w.digest, s.subject_id
        from unnest(persons, digests, known_from) as w (person, digest, known_from)
        join unnest(named, found_subjects) as s (person, subject_id) using (person)
        join alias a on a.digest = w.digest
        where w.known_from < round and a.subject_id <> s.subject_id
        order by w.digest, s.subject_id
        on conflict do nothing;

        insert into subject (subject_id)
        select s.subject_id from unnest(named, found_subjects) as s (person, subject_id)
        where s.subject_id = candidates[s.person];

        return query select * from unnest(named, found_subjects);
    end loop;
end
$$;
