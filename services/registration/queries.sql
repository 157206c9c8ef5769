-- Every statement of the registration service. They take arrays and answer for a whole batch.

-- name: lock_events(buckets)!
-- An advisory lock stands for an event, known or not yet: whoever decides about its places, opens
-- it or lets a message wait for it holds it. The buckets come sorted and once each, so that two
-- batches never wait for each other; two events in one bucket only wait without need.
select pg_advisory_xact_lock(1919248499, bucket) from unnest(:buckets::integer[]) as bucket;

-- name: events_by_reference(references_)
select id, source, reference, version, sequence, status, offer::text as offer,
       places_taken, waitlisted, last_in_line, cancelled_at,
       exists (
           select from waiting_message where waiting_message.awaits_event = event.reference
       ) as has_backlog
  from event
 where reference = any(:references_::bytea[]);

-- name: events_by_id(ids)
select id, source, reference, version, sequence, status, offer::text as offer,
       places_taken, waitlisted, last_in_line, cancelled_at,
       false as has_backlog
  from event
 where id = any(:ids::uuid[]);

-- name: keep_events(ids, sources, numbers, references_, versions, sequences, statuses, ends_at, offers, capacities, taken, waitlisted, last, cancelled, now)!
insert into event (id, source, number, reference, version, sequence, status, ends_at, offer,
                   capacity, places_taken, waitlisted, last_in_line, cancelled_at, opened_at)
select *, :now::timestamptz
  from unnest(:ids::uuid[], :sources::text[], :numbers::text[], :references_::bytea[],
              :versions::bigint[], :sequences::bigint[], :statuses::text[],
              :ends_at::timestamptz[], :offers::jsonb[], :capacities::integer[],
              :taken::integer[], :waitlisted::integer[], :last::bigint[],
              :cancelled::timestamptz[])
    on conflict (id) do update
   set version = excluded.version,
       sequence = excluded.sequence,
       status = excluded.status,
       ends_at = excluded.ends_at,
       offer = excluded.offer,
       capacity = excluded.capacity,
       places_taken = excluded.places_taken,
       waitlisted = excluded.waitlisted,
       last_in_line = excluded.last_in_line,
       cancelled_at = excluded.cancelled_at;

-- name: keep_counts(ids, taken, waitlisted, last)!
update event
   set places_taken = kept.taken, waitlisted = kept.waitlisted, last_in_line = kept.last
  from unnest(:ids::uuid[], :taken::integer[], :waitlisted::integer[], :last::bigint[])
           as kept (id, taken, waitlisted, last)
 where event.id = kept.id;

-- name: answered_references(references_)
-- Which numbers were answered already, with a registration or with a no. By index, as above.
select asked.reference
  from unnest(:references_::bytea[]) as asked (reference)
 cross join lateral (
    (select from registration where registration.reference = asked.reference limit 1)
     union all
    (select from declined where declined.reference = asked.reference limit 1)
 ) as answer;

-- name: people_at_events(event_ids, subject_ids)
-- Each is looked up by index, also while the table is so small that a join would read it whole.
select asked.event_id, asked.subject_id
  from unnest(:event_ids::uuid[], :subject_ids::uuid[]) as asked (event_id, subject_id)
 cross join lateral (
    select
      from registration
     where registration.event_id = asked.event_id
       and registration.subject_id = asked.subject_id
       and registration.status <> 'cancelled'
     limit 1
 ) as present;

-- name: add_declined(references_, events, reasons, times)!
insert into declined (reference, event_id, reason, declined_at)
select * from unnest(:references_::bytea[], :events::uuid[], :reasons::text[],
                     :times::timestamptz[])
    on conflict (reference) do nothing;

-- name: registrations_by_reference(references_)
select id, source, reference, subject_id, event_id, status, language, personal::text as personal,
       consents::text as consents, share_fields::text as share_fields, cancelled_by,
       coalesce(waited_since, registered_at) as collected_at
  from registration
 where reference = any(:references_::bytea[]);

-- name: registrations_of(event_id, subject_ids)
select id, source, reference, subject_id, event_id, status, language, personal::text as personal,
       consents::text as consents, share_fields::text as share_fields, cancelled_by,
       coalesce(waited_since, registered_at) as collected_at
  from registration
 where event_id = :event_id::uuid and subject_id = any(:subject_ids::uuid[])
 order by id;

-- name: whereabouts(references_)
-- What is known of registration numbers that are no registration: declined, or waiting themselves.
select reference, null::bytea as awaits_event
  from declined
 where reference = any(:references_::bytea[])
 union all
select registration, awaits_event
  from waiting_message
 where registration = any(:references_::bytea[])
   and awaits_event is not null;

-- name: events_of_registrations(references_)
-- The references of the events that changes and cancellations will be about: to be locked.
select event.reference
  from registration
  join event on event.id = registration.event_id
 where registration.reference = any(:references_::bytea[])
 union
select awaits_event
  from waiting_message
 where registration = any(:references_::bytea[])
   and awaits_event is not null;

-- name: change_registrations(ids, personal, times)!
update registration
   set personal = changed.personal, updated_at = changed.at, version = version + 1
  from unnest(:ids::uuid[], :personal::jsonb[], :times::timestamptz[])
           as changed (id, personal, at)
 where registration.id = changed.id;

-- name: cancel_registrations(ids, times)!
update registration
   set status = 'cancelled', in_line = null, cancelled_at = cancelled.at, cancelled_by = 'person',
       updated_at = cancelled.at, version = version + 1
  from unnest(:ids::uuid[], :times::timestamptz[]) as cancelled (id, at)
 where registration.id = cancelled.id;

-- name: cancel_some_of_events(event_ids, at, most)
-- The organiser cancels: so many at a time, the rest is found by `events_to_clear` later.
with chosen as materialized (
    select id, status
      from registration
     where event_id = any(:event_ids::uuid[]) and status <> 'cancelled'
     limit :most::integer
)
update registration
   set status = 'cancelled', in_line = null, cancelled_at = :at::timestamptz,
       cancelled_by = 'organiser', updated_at = :at::timestamptz, version = version + 1
  from chosen
 where registration.id = chosen.id
returning registration.id, registration.subject_id, registration.event_id,
          chosen.status = 'registered' as had_place;

-- name: move_up(event_ids, people, charges, times)
-- The first of each waiting list get a place.
with chosen as materialized (
    select waiting.id, free.charge, free.at
      from unnest(
               :event_ids::uuid[], :people::integer[], :charges::text[], :times::timestamptz[])
               as free (event_id, people, charge, at)
     cross join lateral (
        select id
          from registration
         where event_id = free.event_id and status = 'waitlisted'
         order by in_line
         limit free.people
     ) as waiting
)
update registration
   set status = 'registered', in_line = null, charge = chosen.charge::jsonb,
       waited_since = registered_at, registered_at = chosen.at, updated_at = chosen.at, version = version + 1
  from chosen
 where registration.id = chosen.id
returning registration.id, registration.subject_id, registration.event_id, registration.source,
          registration.language, registration.personal::text as personal,
          registration.consents::text as consents, registration.registered_at,
          registration.waited_since;

-- name: add_waiting(topics, partitions, requests, sources, events, registrations, own, bodies, since)!
insert into waiting_message (topic, partition, request, source, awaits_event,
                             awaits_registration, registration, sealed, waits_since)
select * from unnest(:topics::text[], :partitions::integer[], :requests::text[], :sources::text[],
                     :events::bytea[], :registrations::bytea[], :own::bytea[], :bodies::bytea[],
                     :since::timestamptz[]);

-- name: waiting_for_events(references_, most)
-- What the statement below would take out now.
select id, topic, partition, sealed, waits_since
  from waiting_message
 where awaits_event = any(:references_::bytea[])
 order by id
 limit :most::integer;

-- name: take_waiting_for_events(references_, most)
-- Takes the oldest out: who takes them handles them, in this transaction.
delete from waiting_message
 where id in (
    select id from waiting_message
     where awaits_event = any(:references_::bytea[])
     order by id
     limit :most::integer
 )
returning id, topic, partition, sealed, waits_since;

-- name: take_waiting_for_registrations(references_, most)
delete from waiting_message
 where id in (
    select id from waiting_message
     where awaits_registration = any(:references_::bytea[])
     order by id
     limit :most::integer
 )
returning id, topic, partition, sealed, waits_since;

-- name: ready_events(most)
-- Events that are known by now and still have messages waiting for them.
-- Few events are waited for, by many messages: each is looked for behind the one before it.
with recursive awaited (reference) as (
    (select awaits_event
       from waiting_message
      where awaits_event is not null
      order by awaits_event
      limit 1)
     union all
    select (select awaits_event
              from waiting_message
             where awaits_event > awaited.reference
             order by awaits_event
             limit 1)
      from awaited
     where awaited.reference is not null
)
select event.reference
  from awaited
  join event on event.reference = awaited.reference
 limit :most::integer;

-- name: ready_registrations(most)
select distinct waiting_message.awaits_registration as reference
  from waiting_message
 where exists (
        select from registration
         where registration.reference = waiting_message.awaits_registration
       )
    or exists (
        select from declined where declined.reference = waiting_message.awaits_registration
       )
 limit :most::integer;

-- name: any_waited_since(before)$
select exists (select from waiting_message where waits_since <= :before::timestamptz);

-- name: take_expired(before, most)
-- What is known by now was not waited for in vain: `handle_ready` comes to it. Nor is a registration
-- that waits itself. Each is looked up by index, as above.
delete from waiting_message
 where id in (
    select waiting.id
      from waiting_message as waiting
      left join lateral (
        (select true as found from event where event.reference = waiting.awaits_event limit 1)
         union all
        (select true from registration
          where registration.reference = waiting.awaits_registration limit 1)
         union all
        (select true from declined
          where declined.reference = waiting.awaits_registration limit 1)
         union all
        (select true from waiting_message as own
          where own.registration = waiting.awaits_registration limit 1)
         limit 1
     ) as known on true
     where waiting.waits_since <= :before::timestamptz and known.found is null
     order by waiting.waits_since, waiting.id
     limit :most::integer
     for update of waiting skip locked
 )
returning id, topic, partition, request, source, registration, awaits_event is null as knows_event;

-- name: events_to_end(now, most)
select reference from event
 where status = 'open' and ends_at <= :now::timestamptz
 order by ends_at
 limit :most::integer;

-- name: events_to_clear(most)
select reference from event
 where status = 'cancelled' and (places_taken > 0 or waitlisted > 0)
 limit :most::integer;

-- name: keep_consents(subjects, purposes, given, times, last_noes)!
-- The latest answer counts, in whatever order they come; of two at one time, the one that says no.
-- The last no stays beside a later yes, and is learnt also where a later answer is known already. A
-- row that says no is one, whoever wrote it: releases from before `last_no_at` left that empty.
insert into consent as known (subject_id, purpose, given, at, last_no_at)
select * from unnest(:subjects::uuid[], :purposes::text[], :given::boolean[],
                     :times::timestamptz[], :last_noes::timestamptz[])
    on conflict (subject_id, purpose) do update
   set given = case when (excluded.at, not excluded.given) >= (known.at, not known.given)
                    then excluded.given else known.given end,
       at = greatest(excluded.at, known.at),
       last_no_at = greatest(excluded.last_no_at, known.last_no_at,
                             case when not known.given then known.at end)
 where (excluded.at, not excluded.given) >= (known.at, not known.given)
    or greatest(excluded.last_no_at, known.last_no_at) is distinct from known.last_no_at;

-- name: event_list()
select id, source, reference, version, sequence, status, offer::text as offer,
       places_taken, waitlisted, last_in_line, cancelled_at, false as has_backlog
  from event
 order by ends_at, id;

-- name: event_named(number, id)
select id, source, reference, version, sequence, status, offer::text as offer,
       places_taken, waitlisted, last_in_line, cancelled_at, false as has_backlog
  from event
 where number = :number::text or id = :id::uuid
 order by id;

-- name: people_of_event(event_id)
select id, subject_id, personal::text as personal, share_fields::text as share_fields,
       coalesce(waited_since, registered_at) as collected_at
  from registration
 where event_id = :event_id::uuid and status = 'registered'
 order by id;

-- name: consents_of(subject_ids, purposes)
select subject_id, purpose, given, at, last_no_at
  from consent
 where subject_id = any(:subject_ids::uuid[]) and purpose = any(:purposes::text[]);

-- name: events_after(after, most)
-- The events that the next registrations are for: to be locked.
select distinct event_id
  from (select event_id
          from registration
         where :after::uuid is null or id > :after::uuid
         order by id
         limit :most::integer) as page;

-- name: registrations_after(after, most)
-- `position` counts those who wait, up to and with this one; null where the person does not.
with page as (
    select * from registration
     where :after::uuid is null or id > :after::uuid
     order by id
     limit :most::integer
), line as (
    select id, row_number() over (partition by event_id order by in_line) as position
      from registration
     where status = 'waitlisted'
       and event_id in (select event_id from page where status = 'waitlisted'))
select id, subject_id, event_id, source, language, personal::text as personal,
       consents::text as consents, charge::text as charge, registered_at, waited_since,
       cancelled_at, cancelled_by, position
  from page left join line using (id)
 order by id;
