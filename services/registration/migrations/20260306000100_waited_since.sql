-- migrate:up

-- Of who had to wait for a place: since when. Their data was collected then, and not when they got
-- the place, which is what `registered_at` says.
alter table registration add column waited_since timestamptz;

-- Until now that was forgotten. The id of a registration (UUID version 7, RFC 9562) begins with the
-- milliseconds at which it was made.
update registration
set waited_since = to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
where registered_at
    > to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0);
