-- migrate:up

-- Who was linked with somebody who is to be erased was not to be erased themselves: the person lived on
-- by that subject, also where nothing of either was kept any more.
update subject s set erasure_up_to = e.up_to
from (
    select coalesce(p.same_as, t.subject_id) as person, max(t.erasure_up_to) as up_to
    from subject t left join same_person p using (subject_id)
    where t.erasure_up_to is not null
    group by 1) e
where s.erasure_up_to is null
    and s.subject_id in (
        select e.person
        union all
        select p.subject_id from same_person p where p.same_as = e.person);

-- As before, and: who becomes one person with somebody who is to be erased is to be erased with them;
-- and nobody becomes the same person unless they are named. Who came with an address while it was
-- being linked, and whom nobody had been asked about, did.
--
-- Lets an alias lead to a subject from now on. `digests` are of the one alias, the newest pepper
-- first. `reason` is what happened:
--   changed-address  the person has it now; it must not lead to anybody else
--   shared-address   it is this person's too; it goes on leading to whom it led
--   same-person      `of_subject` is this person: everything that led there leads here now; where it
--                    is null, the alias must not lead to anybody else
-- Gives `linked`, `known` where nothing had to be done, `taken`, or `erased` where one of the two is,
-- and whom it led to; for a same person, who became it. `to be erased`: it is linked, and one of the
-- two was to be erased, and now both are.
create or replace function link_alias(
    digests bytea[], of_kind text, made_with text, to_subject uuid, reason text,
    of_subject uuid default null
) returns table (outcome text, led_to uuid)
language plpgsql security definer set search_path = keyring, pg_temp as $$
declare
    led uuid;
    person uuid[];
    up_to timestamptz;
    nobody_had_it boolean;
begin
    -- Who uses the alias for the first time waits here, and we for him.
    insert into alias (digest, subject_id, kind, pepper)
    select digests[1], to_subject, of_kind, made_with
    where not exists (select from alias a where a.digest = any (digests))
    on conflict do nothing;
    nobody_had_it := found;
    if not nobody_had_it then
        led := carry_over(digests, made_with);
    end if;
    if reason = 'same-person' then
        led := coalesce(of_subject, led);
    end if;
    -- An intake that decides about one of them waits, and then sees what came of this.
    perform 1 from subject s
    where s.subject_id in (select p.subject_id from same_people(array[led, to_subject]) p)
    order by s.subject_id for update;
    if exists (
        select from subject s
        where s.erased_at is not null
            and (s.subject_id = to_subject or (s.subject_id = led and reason = 'same-person')))
    then
        delete from alias a where a.digest = digests[1] and nobody_had_it;
        return query select 'erased', led;
    elsif nobody_had_it then
        return query select 'linked', null::uuid;
    elsif led = to_subject then
        return query select 'known', led;
    elsif reason = 'changed-address' or (reason = 'same-person' and of_subject is null) then
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
        person := array(select p.subject_id from same_people(array[to_subject]) p);
        up_to := (select max(s.erasure_up_to) from subject s where s.subject_id = any (person));
        update subject s set erasure_up_to = up_to
        where s.subject_id = any (person) and s.erasure_up_to is null and up_to is not null;
        return query select case when found then 'to be erased' else 'linked' end, led;
    else
        raise 'unknown reason' using errcode = '22023';
    end if;
end
$$;
