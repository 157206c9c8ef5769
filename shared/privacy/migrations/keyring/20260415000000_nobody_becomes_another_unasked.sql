-- migrate:up

-- As before, and: nobody becomes the same person unless they are named. Who came with an address while
-- it was being linked, and whom nobody had been asked about, did.
--
-- Lets an alias lead to a subject from now on. `digests` are of the one alias, the newest pepper
-- first. `reason` is what happened:
--   changed-address  the person has it now; it must not lead to anybody else
--   shared-address   it is this person's too; it goes on leading to whom it led
--   same-person      `of_subject` is this person: everything that led there leads here now; where it
--                    is null, the alias must not lead to anybody else
-- Gives `linked`, `known` where nothing had to be done, `taken`, or `erased` where one of the two is,
-- and whom it led to; for a same person, who became it.
create or replace function link_alias(
    digests bytea[], of_kind text, made_with text, to_subject uuid, reason text,
    of_subject uuid default null
) returns table (outcome text, led_to uuid)
language plpgsql security definer set search_path = keyring, pg_temp as $$
declare
    led uuid;
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
    perform 1 from subject s where s.subject_id in (led, to_subject) order by s.subject_id for update;
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
        return query select 'linked', led;
    else
        raise 'unknown reason' using errcode = '22023';
    end if;
end
$$;
