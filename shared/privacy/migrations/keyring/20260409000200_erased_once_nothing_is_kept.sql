-- migrate:up

-- Up to when a person is to be erased, of whom something may stay as a law has it kept: remembered
-- until they come back, or until nothing leads to them any more.
alter table subject add column erasure_up_to timestamptz;
create index subject_to_be_erased on subject (subject_id) where erasure_up_to is not null;

-- Of who is to be erased: whether they are; whether they came back, as a key tells that was made for
-- a fact from after that moment; and whether the person lives on: by a key, or by a subject that
-- nobody asked to erase.
create function to_be_erased()
returns table (subject_id uuid, erased boolean, came_back boolean, lives boolean)
language sql stable security definer set search_path = keyring, pg_temp as $$
    select s.subject_id, s.erased_at is not null as erased, person.came_back, person.lives
    from subject s
    left join same_person p using (subject_id)
    cross join lateral (
        select
            coalesce(bool_or(k.after >= s.erasure_up_to), false) as came_back,
            bool_or(k.wrapped is not null or (o.erasure_up_to is null and o.erased_at is null)) as lives
        from (
            select coalesce(p.same_as, s.subject_id) as subject_id
            union all
            select m.subject_id from same_person m
            where m.same_as = coalesce(p.same_as, s.subject_id)) member
        join subject o using (subject_id)
        left join data_key k using (subject_id)) person
    where s.erasure_up_to is not null
$$;

-- Who is to be erased is erased once nothing of theirs lives on, and not while it does: books may
-- have been kept, or an invoice have been on its way.
create function follow_erasures() returns void
language plpgsql security definer set search_path = keyring, pg_temp as $$
declare
    changing uuid[] := array(
        select e.subject_id from to_be_erased() e where e.came_back or e.erased = e.lives);
begin
    perform 1 from subject s where s.subject_id = any (changing) order by s.subject_id for update;
    update subject s
    set erased_at = case
            when e.lives then null
            when e.came_back then s.erased_at
            else coalesce(s.erased_at, now())
        end,
        erasure_up_to = case when not e.came_back then s.erasure_up_to end
    from to_be_erased() e
    where s.subject_id = any (changing) and e.subject_id = s.subject_id;
end
$$;

-- These are to be erased, once nothing of them is alive: all that was said up to the moment, but for
-- what a law has kept, is destroyed.
create function ask_erasure(subject_ids uuid[], up_to timestamptz) returns void
language plpgsql security definer set search_path = keyring, pg_temp as $$
begin
    perform 1 from subject s
    where s.subject_id = any (subject_ids) order by s.subject_id for update;
    update subject s set erasure_up_to = greatest(s.erasure_up_to, up_to)
    where s.subject_id = any (subject_ids);
    perform follow_erasures();
end
$$;

-- As before, and: who was to be erased is, once nothing of theirs is alive; and nothing is left of an
-- erasure at any subject of the person.
--
-- Aliases of people who were erased before a moment lead there for the audit service alone from now
-- on. Whoever comes with one of them is somebody new. Gives how many aliases it were.
create or replace function retire_aliases(erased_before timestamptz, most integer) returns bigint
language plpgsql security definer set search_path = keyring, pg_temp
    set plan_cache_mode = force_custom_plan as $$
declare
    candidates uuid[];
    erased uuid[];
    retired bigint;
begin
    perform follow_erasures();
    candidates := array(
        select s.subject_id from subject s
        where s.erased_at < erased_before
            and exists (
                select from alias a where a.subject_id = s.subject_id
                union all
                select from shared_alias h where h.subject_id = s.subject_id)
        order by s.subject_id limit most);
    perform 1 from subject s
    where s.subject_id = any (array(select p.subject_id from same_people(candidates) p))
    order by s.subject_id for update;
    select array_agg(s.subject_id) into erased from subject s
    where s.subject_id = any (candidates) and s.erased_at < erased_before;
    if erased is null then
        return 0;
    end if;
    insert into erased_alias (digest, subject_id, erased_at)
    select a.digest, a.subject_id, s.erased_at
    from (
        select k.digest, k.subject_id from alias k where k.subject_id = any (erased)
        union
        select h.digest, h.subject_id from shared_alias h where h.subject_id = any (erased)) a
    join subject s using (subject_id)
    order by a.digest, a.subject_id
    on conflict do nothing;
    get diagnostics retired = row_count;
    delete from shared_alias h where h.subject_id = any (erased);
    -- Others who share an address stay known by it.
    with inherited as (
        update alias a set subject_id = h.subject_id
        from (
            select distinct on (s.digest) s.digest, s.subject_id
            from shared_alias s join alias k using (digest)
            where k.subject_id = any (erased)
            order by s.digest, s.made_at, s.subject_id) h
        where a.digest = h.digest
        returning a.digest, a.subject_id)
    delete from shared_alias h using inherited i
    where h.digest = i.digest and h.subject_id = i.subject_id;
    delete from alias a where a.subject_id = any (erased);
    -- Nothing is left to do for them: whoever has no alias is found by nobody.
    update subject s set erased_at = null, erasure_up_to = null
    where s.subject_id = any (array(select p.subject_id from same_people(erased) p));
    return retired;
end
$$;
