-- migrate:up

-- As before, and: nothing is left of an erasure either of people whose last alias was unlinked, who
-- were looked at without end.
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
    -- Also who has no alias (any more), with all subjects of the person: nobody is retired by halves.
    candidates := array(
        select s.subject_id from subject s
        where s.erased_at < erased_before
            and not exists (
                select from same_people(array[s.subject_id]) p join subject o using (subject_id)
                where o.erased_at >= erased_before)
        order by s.subject_id limit most);
    candidates := array(select p.subject_id from same_people(candidates) p);
    perform 1 from subject s
    where s.subject_id = any (candidates) order by s.subject_id for update;
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
