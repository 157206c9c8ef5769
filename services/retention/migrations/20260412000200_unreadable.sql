-- migrate:up

-- Since when nothing of it can be read any more, because the keys that sealed it were destroyed when
-- it was due. The row stays, so that what is said of it again is known for old news.
alter table schedule_item add column unreadable_since timestamptz;

-- What is due is looked for among what can still be read: that does not grow for ever.
drop index schedule_item_by_due;
create index schedule_item_by_due on schedule_item (due_on)
where due_on is not null and unreadable_since is null;
