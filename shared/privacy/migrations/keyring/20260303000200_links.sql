-- migrate:up

-- Two subjects that proved to be one person: what is said of the one is said of the other. Facts go
-- to `same_as` from then on; what was sealed for the older number stays where it is.
create table same_person (
    subject_id uuid primary key,
    same_as uuid not null check (same_as <> subject_id),
    made_at timestamptz not null default now()
);

create index same_person_of on same_person (same_as);

-- Aliases of the erased, when no fact from before can come any more: the role of the audit service
-- alone is told where they lead, until they are deleted.
create table erased_alias (
    digest bytea not null,
    subject_id uuid not null,
    erased_at timestamptz not null,
    primary key (digest, subject_id)
);

create index erased_alias_by_time on erased_alias (erased_at);
create index subject_erased on subject (erased_at) where erased_at is not null;

-- The subject that each digest leads to. Makes nothing, and knows nothing of the erased.
create or replace function find_subjects(digests bytea[])
returns table (digest bytea, subject_id uuid)
language sql stable security definer set search_path = keyring, pg_temp as $$
    select a.digest, a.subject_id
    from alias a left join subject s using (subject_id)
    where a.digest = any (digests) and s.erased_at is null
$$;

-- Everyone whom the digests (of one alias, under each pepper) lead to or led to, erased or not, and
-- who proved to be the same person; first whom they lead to now.
create function find_history(digests bytea[]) returns table (subject_id uuid)
language sql stable security definer set search_path = keyring, pg_temp as $$
    with led as (
        select a.subject_id, 1 as rank from alias a where a.digest = any (digests)
        union all
        select e.subject_id, 2 from erased_alias e where e.digest = any (digests)
    ), everyone as (
        select l.subject_id, l.rank from led l
        union all
        select p.subject_id, 3 from same_person p join led l on l.subject_id = p.same_as
    )
    select e.subject_id from everyone e group by e.subject_id order by min(e.rank), e.subject_id
$$;

-- These, and who proved to be the same person.
create function same_people(subject_ids uuid[]) returns table (subject_id uuid)
language sql stable security definer set search_path = keyring, pg_temp as $$
    select u.subject_id from unnest(subject_ids) as u (subject_id)
    union all
    select p.subject_id from same_person p where p.same_as = any (subject_ids)
$$;

-- What a subject is known by: kinds and dates, never a digest.
create function aliases_of(of_subject uuid)
returns table (kind text, source text, shared boolean, made_at timestamptz)
language sql stable security definer set search_path = keyring, pg_temp as $$
    select a.kind, a.source, false, a.made_at from alias a where a.subject_id = of_subject
    union all
    select a.kind, a.source, true, s.made_at
    from shared_alias s join alias a using (digest) where s.subject_id = of_subject
    order by 4, 1
$$;

-- What is known of one alias under an older pepper becomes known under the newest, which is the
-- first of its digests. Gives the subject that it leads to.
create function carry_over(digests bytea[], made_with text) returns uuid
language plpgsql security definer set search_path = keyring, pg_temp as $$
begin
    insert into alias (digest, subject_id, kind, source, pepper)
    select digests[1], a.subject_id, a.kind, a.source, made_with
    from alias a where a.digest = any (digests)
    order by array_position(digests, a.digest) limit 1
    on conflict do nothing;
    insert into shared_alias (digest, subject_id)
    select digests[1], s.subject_id from shared_alias s where s.digest = any (digests)
    on conflict do nothing;
    return (select a.subject_id from alias a where a.digest = digests[1] for update);
end
$$;

-- Lets an alias lead to a subject from now on. `digests` are of the one alias, the newest pepper
-- first. `reason` is what happened:
--   changed-address  the person has it now; it must not lead to anybody else
--   shared-address   it is this person's too; it goes on leading to whom it led
--   same-person      whom it led to is this person: everything that led there leads here now
-- Gives `linked`, `known` where nothing had to be done, or `taken`, and whom it led to.
create function link_alias(
    digests bytea[], of_kind text, made_with text, to_subject uuid, reason text
) returns table (outcome text, led_to uuid)
language plpgsql security definer set search_path = keyring, pg_temp as $$
declare
    led uuid;
begin
    -- Who uses the alias for the first time waits here, and we for him.
    insert into alias (digest, subject_id, kind, pepper)
    select digests[1], to_subject, of_kind, made_with
    where not exists (select from alias a where a.digest = any (digests))
    on conflict do nothing;
    if found then
        return query select 'linked', null::uuid;
        return;
    end if;
    led := carry_over(digests, made_with);
    -- An intake that decides about one of them waits, and then sees what came of this.
    perform 1 from subject s where s.subject_id in (led, to_subject) order by s.subject_id for update;
    if led = to_subject then
        return query select 'known', led;
    elsif reason = 'changed-address' then
        return query select 'taken', led;
    elsif reason = 'shared-address' then
        insert into shared_alias (digest, subject_id) values (digests[1], to_subject)
        on conflict do nothing;
        return query select case when found then 'linked' else 'known' end, led;
    elsif reason = 'same-person' then
        update alias set subject_id = to_subject where subject_id = led;
        insert into shared_alias (digest, subject_id)
        select s.digest, to_subject from shared_alias s where s.subject_id = led
        on conflict do nothing;
        delete from shared_alias s using alias a
        where s.digest = a.digest and s.subject_id in (led, to_subject)
            and (s.subject_id = led or a.subject_id = to_subject);
        delete from same_person where subject_id = to_subject;
        update same_person set same_as = to_subject where same_as = led;
        insert into same_person (subject_id, same_as) values (led, to_subject);
        return query select 'linked', led;
    else
        raise 'unknown reason' using errcode = '22023';
    end if;
end
$$;

-- An alias leads to a subject no longer: to the next who shares it, or to nobody. Whoever comes
-- with it then is somebody new. Gives whether it had led there.
create function unlink_alias(digests bytea[], from_subject uuid) returns boolean
language plpgsql security definer set search_path = keyring, pg_temp as $$
declare
    heirs uuid[];
    removed boolean;
begin
    perform 1 from alias a where a.digest = any (digests) order by a.digest for update;
    delete from shared_alias s where s.digest = any (digests) and s.subject_id = from_subject;
    removed := found;
    select array_agg(distinct s.subject_id) into heirs
    from shared_alias s where s.digest = any (digests);
    if heirs is null then
        delete from alias a where a.digest = any (digests) and a.subject_id = from_subject;
        return removed or found;
    end if;
    update alias a set subject_id = s.subject_id
    from (select h.subject_id from shared_alias h where h.digest = any (digests)
        order by h.made_at, h.subject_id limit 1) s
    where a.digest = any (digests) and a.subject_id = from_subject;
    removed := removed or found;
    delete from shared_alias s using alias a
    where s.digest = a.digest and s.digest = any (digests) and s.subject_id = a.subject_id;
    return removed;
end
$$;

-- Aliases of people who were erased before a moment lead there for the audit service alone from now
-- on. Whoever comes with one of them is somebody new. Gives how many aliases it were.
create function retire_aliases(erased_before timestamptz, most integer) returns bigint
language plpgsql security definer set search_path = keyring, pg_temp
    set plan_cache_mode = force_custom_plan as $$
declare
    erased uuid[];
    retired bigint;
begin
    select array_agg(s.subject_id) into erased
    from (
        select t.subject_id from subject t
        where t.erased_at < erased_before
            and exists (
                select from alias a where a.subject_id = t.subject_id
                union all
                select from shared_alias h where h.subject_id = t.subject_id)
        order by t.subject_id limit most
        for update) s;
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
    update subject s set erased_at = null where s.subject_id = any (erased);
    return retired;
end
$$;

-- Deletes the aliases of people who were erased before a moment: nothing leads to them any more.
-- Gives how many it were.
create function forget_aliases(erased_before timestamptz) returns bigint
language sql security definer set search_path = keyring, pg_temp as $$
    with gone as (delete from erased_alias e where e.erased_at < erased_before returning 1)
    select count(*) from gone
$$;
