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

-- name: put(terms, item_ids, subject_ids, as_ofs, kinds, parts, event_ids, classes, anchors, anchor_dates, due_ons)!
-- A thing is in the schedule once. What was told earlier changes nothing. What many things have in
-- common comes once: `terms` are places, from 1, in the arrays from `kinds` on.
insert into schedule_item as known (
    kind, item_id, part, subject_id, event_id, retention_class, anchor, anchor_date, due_on,
    as_of
)
select
    term.kind, told.item_id, term.part, told.subject_id, term.event_id, term.retention_class,
    term.anchor, term.anchor_date, term.due_on, told.as_of
from unnest(
    :terms::integer[], :item_ids::uuid[], :subject_ids::uuid[], :as_ofs::timestamptz[]
) as told (term, item_id, subject_id, as_of)
inner join unnest(
    :kinds::text[], :parts::text[], :event_ids::uuid[], :classes::text[], :anchors::text[],
    :anchor_dates::date[], :due_ons::date[]
) with ordinality as term (
    kind, part, event_id, retention_class, anchor, anchor_date, due_on, number
) on term.number = told.term
order by term.kind, told.item_id, term.part
on conflict (kind, item_id, part) do update
set
    retention_class = excluded.retention_class,
    anchor = excluded.anchor,
    anchor_date = excluded.anchor_date,
    due_on = excluded.due_on,
    as_of = excluded.as_of
where
    excluded.as_of > known.as_of
    -- Of one moment, what ends a consent outweighs what gives it.
    or (excluded.as_of = known.as_of and excluded.due_on is not null);

-- name: move(event_ids, classes, anchor_dates, due_ons)!
update schedule_item as item
set anchor_date = moved.anchor_date, due_on = moved.due_on
from unnest(
    :event_ids::uuid[], :classes::text[], :anchor_dates::date[], :due_ons::date[]
) as moved (event_id, retention_class, anchor_date, due_on)
where
    item.event_id = moved.event_id
    and item.retention_class = moved.retention_class
    and item.anchor = 'event_end'
    and item.due_on is distinct from moved.due_on;

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
where item.due_on <= :on_date
group by item.event_id, known.unit, item.retention_class, item.anchor
order by min(item.due_on), item.event_id nulls last, item.retention_class;
