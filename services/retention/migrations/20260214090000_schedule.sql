-- migrate:up

-- What is known of each event: the anchor of most periods. The highest version wins.
create table event_anchor (
    event_id uuid primary key,
    version integer not null check (version >= 1),
    unit text not null,
    -- The day on which the event ends, where it takes place.
    ends_on date not null
);

-- What must go, and when: one row per thing that is kept. No row holds a personal value.
create table schedule_item (
    -- What is kept: a registration, a category of its data, an invoice, what rests on a consent.
    kind text not null check (kind in ('registration', 'category', 'invoice', 'consent')),
    -- The registration, the invoice or, for what rests on a consent, the person.
    item_id uuid not null,
    -- What of it: the category, or the class that an invoice is kept in.
    part text not null,
    subject_id uuid not null,
    event_id uuid,
    retention_class text not null,
    anchor text not null,
    -- Null while what starts the period has not happened, as with a consent that holds.
    anchor_date date,
    -- The first day on which it may be kept no longer.
    due_on date,
    -- The latest moment that this row was told of, where facts about it may come out of order.
    as_of timestamptz not null,
    primary key (kind, item_id, part),
    check ((anchor_date is null) = (due_on is null))
);

create index schedule_item_by_due on schedule_item (due_on) where due_on is not null;
create index schedule_item_by_event on schedule_item (event_id, retention_class)
where event_id is not null;
create index schedule_item_by_subject on schedule_item (subject_id);

grant select, insert, update, delete on event_anchor to steward_retention;
grant select, insert, update, delete on schedule_item to steward_retention;
