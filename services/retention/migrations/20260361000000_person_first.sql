-- migrate:up

-- A row is written for each part of what is kept of a person, and every index costs nearly as much as
-- the row. With the person first, the primary key finds what is kept of somebody too, and the index
-- that did only that can go.
alter table schedule_item drop constraint schedule_item_pkey;
alter table schedule_item add primary key (subject_id, item_id, kind, part);
drop index schedule_item_by_subject;
