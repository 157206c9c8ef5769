-- migrate:up

-- The check of this reference cost a third of adding a registration. Whoever adds one holds the
-- event's lock and has read the event under it; events are never deleted while they have any.
alter table registration drop constraint registration_event_id_fkey;
