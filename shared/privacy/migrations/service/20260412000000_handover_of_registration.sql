-- migrate:up

-- The registration that the value is of: who cancels and registers anew for the same event has
-- another one, which may say something else and rest on another consent. Null where that was not
-- kept yet: nobody knows then which of them it is.
alter table handover_value add column registration_id uuid;
