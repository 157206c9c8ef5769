-- migrate:up

-- Until now a registration that came in another partition at the same moment could be taken back by
-- somebody who did not hold its event, and one of two counts was written over. Each event is held
-- while it is counted, as whoever counts it holds it, since services may be at work.
select pg_advisory_xact_lock(1919248499, bucket) from generate_series(0, 1023) as bucket;

update event
   set places_taken = there.places, waitlisted = there.in_line
  from (
    select event.id,
           count(*) filter (where registration.status = 'registered') as places,
           count(*) filter (where registration.status = 'waitlisted') as in_line
      from event
      left join registration on registration.event_id = event.id
     group by event.id
 ) as there
 where event.id = there.id
   and (event.places_taken, event.waitlisted) <> (there.places, there.in_line);
