-- name: keep_anchors(event_ids, versions, units, ends_on)
-- The highest version wins. Says which events are known otherwise than before. What is old news is
-- left out first: a conflict locks its row even where nothing is updated, and nearly every fact is
-- about an event that is known already.
insert into event_anchor as known (event_id, version, unit, ends_on)
select told.event_id, told.version, told.unit, told.ends_on
from unnest(
    :event_ids::uuid[], :versions::integer[], :units::text[], :ends_on::date[]
) as told (event_id, version, unit, ends_on)
left join event_anchor as held on held.event_id = told.event_id
where held.version is null or told.version > held.version
order by told.event_id
on conflict (event_id) do update
set version = excluded.version, unit = excluded.unit, ends_on = excluded.ends_on
where excluded.version > known.version
returning event_id;

-- name: anchors_of(event_ids)
-- What holds of these events: perhaps a higher version than the batch has. Locked, so that an
-- event that moves meanwhile moves what is put into the schedule by us.
select event_id, version, unit, ends_on
from event_anchor
where event_id = any(:event_ids::uuid[])
order by event_id
for share;

-- name: put(kept, item_ids, subject_ids, as_ofs, numbers, kinds, parts, event_ids, classes, anchors, anchor_dates, due_ons)!
-- A part of a thing is in the schedule once, and always of the same person. What was told earlier
-- changes nothing. How long which parts are kept is alike for many things and comes once: `kept`
-- says by which of the `numbers` that are given to terms.
insert into schedule_item as known (
    kind, item_id, part, subject_id, event_id, retention_class, anchor, anchor_date, due_on,
    as_of
)
select distinct on (told.subject_id, told.item_id, term.kind, term.part)
    term.kind, told.item_id, term.part, told.subject_id, term.event_id, term.retention_class,
    term.anchor, term.anchor_date, term.due_on, told.as_of
from unnest(
    :kept::integer[], :item_ids::uuid[], :subject_ids::uuid[], :as_ofs::timestamptz[]
) as told (kept, item_id, subject_id, as_of)
inner join unnest(
    :numbers::integer[], :kinds::text[], :parts::text[], :event_ids::uuid[], :classes::text[],
    :anchors::text[], :anchor_dates::date[], :due_ons::date[]
) as term (
    number, kind, part, event_id, retention_class, anchor, anchor_date, due_on
) on term.number = told.kept
-- A yes from before a no opens nothing, also of what only a later plan lets rest on that consent.
where
    term.kind <> 'consent'
    or term.due_on is not null
    or not exists (
        select from schedule_item as ended
        where
            ended.subject_id = told.subject_id
            and ended.item_id = told.item_id
            and ended.kind = 'consent'
            and split_part(ended.part, '/', 1) = split_part(term.part, '/', 1)
            and ended.due_on is not null
            and ended.as_of >= told.as_of
    )
-- Of what is told twice at once the latest; of one moment, what ends a consent outweighs what gives
-- it, here and below.
order by
    told.subject_id, told.item_id, term.kind, term.part, told.as_of desc, term.due_on nulls last
on conflict (subject_id, item_id, kind, part) do update
set
    retention_class = excluded.retention_class,
    anchor = excluded.anchor,
    anchor_date = excluded.anchor_date,
    due_on = excluded.due_on,
    as_of = excluded.as_of,
    unreadable_since = case when excluded.as_of = known.as_of then known.unreadable_since end
where
    excluded.as_of > known.as_of
    or (excluded.as_of = known.as_of and excluded.due_on is not null);

-- name: left_behind(event_ids, ends_on)
-- Whose registrations count from another day than their event ends on, those together of which the
-- same is kept in the same way: what becomes of one of them becomes of all. Mostly an event has another
-- version and ends when it did: then nothing of it is left behind.
with told as materialized (
    select told.event_id, told.ends_on
    from unnest(:event_ids::uuid[], :ends_on::date[]) as told (event_id, ends_on)
    where exists (
        select from schedule_item as item
        where
            item.event_id = told.event_id
            and item.anchor = 'event_end'
            and item.anchor_date <> told.ends_on
    )
),

behind as (
    select
        item.event_id, item.subject_id, item.item_id,
        array_agg(
            row(item.kind, item.part, item.retention_class, item.anchor_date, item.due_on)::text
            order by item.kind, item.part
        ) as kept
    from told
    inner join schedule_item as item on item.event_id = told.event_id
    where item.anchor = 'event_end'
    group by item.event_id, item.subject_id, item.item_id
    having bool_or(item.anchor_date <> told.ends_on)
)

select array_agg(subject_id) as subject_ids, array_agg(item_id) as item_ids
from behind
group by event_id, kept;

-- name: hanging_on_events(subject_ids, item_ids)
select
    kind, item_id, part, subject_id, event_id, retention_class, anchor, anchor_date, due_on, as_of
from schedule_item
where
    (subject_id, item_id) in (select * from unnest(:subject_ids::uuid[], :item_ids::uuid[]))
    and anchor = 'event_end'
order by subject_id, item_id, kind, part;

-- name: reschedule_alike(kept, subject_ids, item_ids, numbers, kinds, parts, classes, anchor_dates, due_ons)!
-- What becomes of which parts is alike for many things and comes once, as in `put`. Whoever schedules
-- or reschedules what hangs on an event that is locked waits.
update schedule_item as item
set
    retention_class = told.retention_class,
    anchor_date = told.anchor_date,
    due_on = told.due_on
from unnest(:kept::integer[], :subject_ids::uuid[], :item_ids::uuid[])
    as whose (kept, subject_id, item_id)
inner join unnest(
    :numbers::integer[], :kinds::text[], :parts::text[], :classes::text[],
    :anchor_dates::date[], :due_ons::date[]
) as told (
    number, kind, part, retention_class, anchor_date, due_on
) on told.number = whose.kept
where
    (item.subject_id, item.item_id, item.kind, item.part)
    = (whose.subject_id, whose.item_id, told.kind, told.part);

-- name: begin_rescheduling(plan)!
insert into rescheduling as known (plan, done) values (:plan, false)
on conflict (one) do update set plan = excluded.plan, through = null, done = false
where known.plan <> excluded.plan;

-- name: rescheduling()^
select through, done from rescheduling for update;

-- name: follows(plan)$
select exists (select from rescheduling where plan = :plan and done);

-- name: scheduled_after(after, most)
-- The primary key begins with the person. Nobody's rows are cut in two.
with page as (
    select subject_id
    from schedule_item
    where :after::uuid is null or subject_id > :after::uuid
    order by subject_id
    limit :most::integer
)
select
    kind, item_id, part, subject_id, event_id, retention_class, anchor, anchor_date, due_on, as_of
from schedule_item
where
    (:after::uuid is null or subject_id > :after::uuid)
    and subject_id <= (select subject_id from page order by subject_id desc limit 1)
order by subject_id, item_id, kind, part;

-- name: reschedule(subject_ids, item_ids, kinds, parts, due_before, classes, anchor_dates, due_ons)!
-- One that somebody else has changed since it was read is left as it is: that was by the same plan.
update schedule_item as item
set
    retention_class = told.retention_class,
    anchor_date = told.anchor_date,
    due_on = told.due_on
from unnest(
    :subject_ids::uuid[], :item_ids::uuid[], :kinds::text[], :parts::text[],
    :due_before::date[], :classes::text[], :anchor_dates::date[], :due_ons::date[]
) as told (
    subject_id, item_id, kind, part, due_before, retention_class, anchor_date, due_on
)
where
    (item.subject_id, item.item_id, item.kind, item.part)
    = (told.subject_id, told.item_id, told.kind, told.part)
    and item.due_on is not distinct from told.due_before;

-- name: rescheduled_through(through, done)!
update rescheduling set through = :through, done = :done;

-- name: due(on_date)
select
    item.event_id,
    known.unit,
    item.retention_class,
    item.anchor,
    count(*) as items,
    count(distinct item.subject_id) as people,
    min(item.due_on) as due_since
from schedule_item as item
left join event_anchor as known on known.event_id = item.event_id
where item.due_on <= :on_date and item.unreadable_since is null
group by item.event_id, known.unit, item.retention_class, item.anchor
order by min(item.due_on), item.event_id nulls last, item.retention_class;

-- name: wait_no_longer(milliseconds)$
-- For a lock, until the transaction ends.
select set_config('lock_timeout', :milliseconds::integer::text, true);

-- name: people_of_due(on_date, retention_class, after, most)
-- The next people of whom something is due that can be read.
select distinct subject_id
from schedule_item
where
    due_on <= :on_date and unreadable_since is null
    and (:retention_class::text is null or retention_class = :retention_class)
    and (:after::uuid is null or subject_id > :after::uuid)
order by subject_id
limit :most::integer;

-- name: readable_of(subject_ids)
select
    kind, item_id, part, subject_id, event_id, retention_class, anchor, anchor_date, due_on, as_of
from schedule_item
where subject_id = any(:subject_ids::uuid[]) and unreadable_since is null
order by subject_id, item_id, kind, part;

-- name: mark_unreadable(subject_ids, item_ids, kinds, parts, as_ofs, due_ons, at)!
-- Nobody is waited for, and of what is not as it was read any more nothing is said: a row that
-- somebody is changing or has changed stays listed, and is marked by whoever comes next.
with gone as (
    select item.subject_id, item.item_id, item.kind, item.part
    from unnest(
        :subject_ids::uuid[], :item_ids::uuid[], :kinds::text[], :parts::text[],
        :as_ofs::timestamptz[], :due_ons::date[]
    ) as told (subject_id, item_id, kind, part, as_of, due_on)
    inner join schedule_item as item using (subject_id, item_id, kind, part)
    where item.as_of = told.as_of and item.due_on = told.due_on
    for update of item skip locked
)
update schedule_item as item
set unreadable_since = :at::timestamptz
from gone
where
    (item.subject_id, item.item_id, item.kind, item.part)
    = (gone.subject_id, gone.item_id, gone.kind, gone.part);

-- name: go_over(through)!
insert into gone_over as known (through) values (:through)
on conflict (one) do update set through = excluded.through
where excluded.through > known.through;

-- name: due_since(on_date)$
-- Since when that is due which is due the longest of what nobody has gone over yet: one look at the
-- index, however much is listed.
select min(due_on)
from schedule_item
where
    due_on > coalesce((select through from gone_over), '-infinity')
    and due_on <= :on_date
    and unreadable_since is null;
