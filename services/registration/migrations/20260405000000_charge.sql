-- migrate:up

-- What a place cost whoever got it: the event's fee and VAT class then, as contracts write them; {}
-- where it was free. What is told of a registration again says this, whatever its event costs now.
-- Null where there is no place, and of registrations from before this was kept: of those the event's
-- own of now is all that is known.
alter table registration add column charge jsonb;
