-- migrate:up

-- When it was cancelled: from then on nothing of it is needed any more. Null of events that take
-- place, and of those that were cancelled before this was kept.
alter table event add column cancelled_at timestamptz;
