-- migrate:up

-- What a place cost whoever got it: the event's fee and VAT class then, as contracts write them; null
-- where it was free. What is told of a registration again says this, whatever its event costs now.
alter table registration add column charge jsonb;

-- Of registrations from before this was kept, the event's own of now is all that is known.
update registration
   set charge = jsonb_build_object('fee', event.offer -> 'fee', 'vat_class', event.offer -> 'vat_class')
  from event
 where event.id = registration.event_id
   and registration.in_line is null
   and (event.offer #>> '{fee,minor_units}')::bigint > 0;
