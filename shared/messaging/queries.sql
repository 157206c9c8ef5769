-- The inbox, the outbox and what lies between, in the schema of the service that connects.

-- name: positions(topics, partitions)
select p.topic, p.partition, p.next_offset
from position p
join unnest(:topics::text[], :partitions::int[]) as asked (topic, partition)
  using (topic, partition);

-- name: all_positions()
select topic, partition, next_offset from position;

-- name: begin_positions(topics, partitions, offsets)!
-- Another process may be first; then its row counts.
insert into position (topic, partition, next_offset)
select * from unnest(:topics::text[], :partitions::int[], :offsets::bigint[])
on conflict do nothing;

-- name: begin(topics, partitions, before, after, days, identities, bodies)^
-- What every batch begins with, in one round trip. Positions are compared and set: fewer rows than
-- asked means that somebody else took the batch, and then nothing is claimed. Rows are locked in the
-- order of the primary key, so that two processes wait for each other and never both ways.
-- Mostly no key is parked, and then none of the batch has to be looked for: only batches of the same
-- partition park keys of it, and those are over or have moved the position.
-- It holds the plan in force too (shared/privacy).
-- `known` are identities that could not be claimed, mostly none. Sorted, so that two processes that
-- meet on the same identities wait in the same order. A duplicate key error would abort the
-- transaction; `do nothing` waits for the other one's end.
with asked as materialized (
  select p.topic, p.partition, a.before, a.after
  from position p
  join unnest(:topics::text[], :partitions::int[], :before::bigint[], :after::bigint[])
    as a (topic, partition, before, after) using (topic, partition)
  order by p.topic, p.partition
  for update of p
), moved as (
  update position p set next_offset = asked.after
  from asked
  where (p.topic, p.partition) = (asked.topic, asked.partition) and p.next_offset = asked.before
  returning 1
), counted as materialized (
  select count(*) as moved from moved
), claims as materialized (
  select * from unnest(:days::date[], :identities::bytea[], :bodies::bytea[])
    as claim (day, identity, body)
), claimed as (
  insert into inbox (day, identity, body)
  select day, identity, body from claims
  where (select moved from counted) = cardinality(:topics)
  order by day, identity
  on conflict do nothing
  returning identity
)
select moved, exists (select from parked_key) as any_parked, hold_plan() as plan,
       array(
         select identity from claims where identity not in (select identity from claimed)
       ) as known
from counted;

-- name: claimed_bodies(days, identities)
-- A new statement and so a new snapshot: what kept a claim from succeeding is visible by now.
select inbox.identity, inbox.body
from unnest(:days::date[], :identities::bytea[]) as asked (day, identity)
join inbox using (day, identity);

-- name: parked_among(topics, references)
-- Shared locks: a redrive of the key ends first, or begins after this batch.
select p.topic, p.key_reference
from parked_key p
join unnest(:topics::text[], :references::bytea[]) as asked (topic, key_reference)
  using (topic, key_reference)
order by p.topic, p.key_reference
for share of p;

-- name: park(topics, references, at)!
insert into parked_key (topic, key_reference, parked_at)
select t, r, :at::timestamptz
from unnest(:topics::text[], :references::bytea[]) as parked (t, r)
order by t, r
on conflict do nothing;

-- name: bury(topics, partitions, offsets, statuses, holds, types, type_references, key_references, reasons, details, sealed, at)!
insert into dead_letter (topic, partition, record_offset, status, holds_key, type, type_reference,
                         key_reference, reason, detail, sealed, taken_at)
select d.*, :at::timestamptz
from unnest(:topics::text[], :partitions::int[], :offsets::bigint[], :statuses::text[],
            :holds::boolean[], :types::text[], :type_references::bytea[], :key_references::bytea[],
            :reasons::text[], :details::text[], :sealed::bytea[]) as d;

-- name: conclude(topics, partitions, outcomes, messages, says, said_topics, keys, headers, bodies, said_at)!
-- What every transaction ends with, in one round trip: outcomes are counted, and what it says goes
-- into the outbox. An id is given last, so that of two transactions of which one waits for the other
-- the one that commits first has the smaller ids. Of others a larger id may be committed before a smaller
-- one: nobody waits for somebody who has nothing to do with him, and the relay looks back for it.
-- The channel is the schema's own; PostgreSQL sends equal notifications of a transaction once.
with counted as (
  insert into outcome_count (topic, partition, outcome, messages)
  select t, p, o, m
  from unnest(:topics::text[], :partitions::int[], :outcomes::text[], :messages::bigint[])
    as count (t, p, o, m)
  order by t, p, o
  on conflict (topic, partition, outcome)
  do update set messages = outcome_count.messages + excluded.messages
  returning topic
), said as (
  insert into outbox (topic, key, headers, value, said_at)
  select fact.topic, fact.key, fact.headers::json, fact.body, :said_at::timestamptz
  -- An id is given to a row of this join, and so after whatever counting waited for.
  from (select count(*) from counted) as before
  cross join unnest(:said_topics::text[], :keys::bytea[], :headers::text[], :bodies::bytea[])
    with ordinality as fact (topic, key, headers, body, place)
  order by fact.place
)
select pg_notify(current_schema() || ' outbox', '') where :says;

-- name: take_lane(lane)$
-- A session lock: it ends with the connection, whatever becomes of its holder.
select pg_try_advisory_lock(hashtext(current_schema() || ' relay'), :lane::int);

-- name: read_lane(lane, after, most)
-- `after` spares the scan most rows that were deleted and not yet vacuumed.
select id, topic, key, headers, value
from outbox
where lane = :lane and id > :after
order by id
limit :most;

-- name: last_said(topic)$
select coalesce(max(id), 0) from outbox where topic = :topic;

-- name: waiting_to_be_said(topic, last)$
select count(*) from outbox where topic = :topic and id <= :last;

-- name: outbox_span(lanes)^
-- Each end of each lane is found by the primary key.
select min(of_lane.first) as first, max(of_lane.last) as last
from unnest(:lanes::smallint[]) as asked (lane)
cross join lateral (
  select min(id) as first, max(id) as last from outbox where outbox.lane = asked.lane
) as of_lane;

-- name: forget(lane, ids)!
delete from outbox where lane = :lane and id = any(:ids::bigint[]);

-- name: figures(now)^
-- Dead letters are counted by their outcomes, some hundred rows, and not in a table whose rows hold
-- whole messages: a redrive and a discard change the one with the other.
select outbox.messages as outbox, outbox.oldest_s, outcomes.dead, outcomes.parked,
       (select count(*) from parked_key) as parked_keys
from (
  select count(*) as messages,
         coalesce(extract(epoch from :now::timestamptz - min(said_at)), 0)::float8 as oldest_s
  from outbox
) outbox, (
  select coalesce(sum(messages) filter (where outcome = 'dead_letter'), 0)::bigint as dead,
         coalesce(sum(messages) filter (where outcome = 'parked'), 0)::bigint as parked
  from outcome_count
) outcomes;

-- name: keep_inbox(today, keep)!
select keep_inbox(:today, :keep);

-- name: list_dead_letters(topic, status, reason, most)
select id, topic, partition, record_offset, status, holds_key, type, type_reference, key_reference,
       reason, detail, taken_at
from dead_letter
where (:topic::text is null or topic = :topic) and (:status::text is null or status = :status)
  and (:reason::text is null or reason = :reason)
order by id
limit :most;

-- name: lies(topic, types)$
select exists (
  select from dead_letter
  where topic = :topic and (:types::text[] is null or type = any(:types::text[]))
);

-- name: dead_letter_ids(topic, status, reason)
select id
from dead_letter
where (:topic::text is null or topic = :topic) and (:status::text is null or status = :status)
  and (:reason::text is null or reason = :reason)
order by id;

-- name: dead_letters(ids)
select id, topic, partition, record_offset, status, holds_key, type, type_reference, key_reference,
       reason, detail, taken_at
from dead_letter
where id = any(:ids::bigint[])
order by id;

-- name: lock_keys(topics, references)!
-- Batches that meet one of these wait here; they hold their shared locks for one batch at most.
select from parked_key p
join unnest(:topics::text[], :references::bytea[]) as asked (topic, key_reference)
  using (topic, key_reference)
order by p.topic, p.key_reference
for update of p;

-- name: queue_of_key(topic, reference, most)
-- The head and what waits behind it, in the order in which they came: that of their ids. Offsets begin
-- anew where a topic is made anew.
select id, topic, partition, record_offset, status, holds_key, type, type_reference, key_reference,
       reason, detail, taken_at, sealed
from dead_letter
where topic = :topic and key_reference = :reference and (status = 'parked' or holds_key)
order by id
limit :most
for update;

-- name: lock_dead_letters(ids)
select id, topic, partition, record_offset, status, holds_key, type, type_reference, key_reference,
       reason, detail, taken_at, sealed
from dead_letter
where id = any(:ids::bigint[])
order by id
for update;

-- name: fail_again(id, reason, detail, holds_key)!
update dead_letter
set status = 'dead', reason = :reason, detail = :detail, holds_key = :holds_key
where id = :id;

-- name: remove_dead_letters(ids)!
delete from dead_letter where id = any(:ids::bigint[]);

-- name: unpark_if_empty(topics, references)!
delete from parked_key p
using unnest(:topics::text[], :references::bytea[]) as asked (topic, key_reference)
where p.topic = asked.topic and p.key_reference = asked.key_reference
  and not exists (
    select from dead_letter d
    where d.topic = p.topic and d.key_reference = p.key_reference
      and (d.status = 'parked' or d.holds_key));
