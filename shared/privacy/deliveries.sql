-- What was released and its recipient has not received yet, in the schema of the service.

-- name: waiting(now)^
-- Those that are due are delivered now; the rest wait for their next try, or for a person.
select count(*) filter (where h.state = 'pending') as pending,
       count(*) filter (where h.state = 'failed') as failed,
       coalesce(extract(epoch from :now::timestamptz
           - min(h.made_at) filter (where h.state = 'pending')), 0)::float8 as oldest_s,
       coalesce(bool_or(d.next_try_at <= :now), false) as due
  from handover h join delivery d using (delivery_id)
 where h.state in ('pending', 'failed');

-- name: take_due(now, until)^
-- For whoever takes it alone, until it is to be tried again: another process passes over it.
with due as (
    select delivery_id, unsure from delivery
     where next_try_at <= :now
     order by next_try_at
     limit 1
       for update skip locked)
update delivery as d set tries = d.tries + 1, next_try_at = :until, unsure = true
  from due
 where d.delivery_id = due.delivery_id
returning d.delivery_id, d.way, d.tries, due.unsure;

-- name: take(disclosure_id, until)^
-- The delivery that a disclosure leaves with, whenever it is due. What nobody tried any more by
-- themselves is on its way again, and its tries begin anew.
with asked as (
    select d.delivery_id, d.unsure from delivery d
     where d.delivery_id = (
               select delivery_id from handover where disclosure_id = :disclosure_id)
       and exists (
               select from handover h
                where h.delivery_id = d.delivery_id and h.state in ('pending', 'failed'))
       for update of d
), again as (
    update handover as h set state = 'pending', reason = null, ended_at = null
      from asked
     where h.delivery_id = asked.delivery_id and h.state = 'failed')
update delivery as d
   set tries = case when d.next_try_at is null then 1 else d.tries + 1 end,
       next_try_at = :until, unsure = true
  from asked
 where d.delivery_id = asked.delivery_id
returning d.delivery_id, d.way, d.tries, asked.unsure;

-- name: handovers_of(delivery_id)
select disclosure_id, recipient, purpose, fields, event_id, actor, request_reference
  from handover
 where delivery_id = :delivery_id and state in ('pending', 'failed')
 order by made_at, disclosure_id
   for update;

-- name: values_of(disclosure_ids)
select disclosure_id, subject_id, category, fields, sealed, registration_id
  from handover_value
 where disclosure_id = any(:disclosure_ids::uuid[])
 order by disclosure_id, subject_id, category;

-- name: withhold(disclosure_id, subject_ids, now)!
with gone as (
    delete from handover_value
     where disclosure_id = :disclosure_id and subject_id = any(:subject_ids::uuid[])
    returning subject_id
), counted as (select count(distinct subject_id)::integer as people from gone)
update handover as h
   set people = h.people - c.people,
       state = case when h.people = c.people then 'withheld' else h.state end,
       reason = case when h.people = c.people then null else h.reason end,
       ended_at = case when h.people = c.people then :now else h.ended_at end
  from counted c
 where h.disclosure_id = :disclosure_id;

-- name: end_handovers(delivery_id, state, reason, now)
-- None where somebody else has said that they are delivered.
update handover set state = :state, reason = :reason, ended_at = :now
 where delivery_id = :delivery_id and state in ('pending', 'failed')
returning disclosure_id, recipient, people;

-- name: is_withheld(delivery_id)$
-- All that leaves together.
select bool_and(state = 'withheld') from handover where delivery_id = :delivery_id;

-- name: drop_values(disclosure_ids)!
delete from handover_value where disclosure_id = any(:disclosure_ids::uuid[]);

-- name: rest(delivery_id, unsure, reason)!
-- Nobody tries any more by themselves.
update delivery set next_try_at = null, unsure = :unsure, reason = :reason
 where delivery_id = :delivery_id;

-- name: try_later(delivery_id, at, unsure, reason)!
-- Unless somebody else has ended it meanwhile.
update delivery set next_try_at = :at, unsure = :unsure, reason = :reason
 where delivery_id = :delivery_id and next_try_at is not null;

-- name: put_off(delivery_id, at, unsure, reason)!
-- As if it had not been taken.
update delivery set tries = tries - 1, next_try_at = :at, unsure = :unsure, reason = :reason
 where delivery_id = :delivery_id;

-- name: listed(states)
select h.disclosure_id, h.delivery_id, h.recipient, h.purpose, h.event_id, h.people, h.actor,
       h.state, coalesce(h.reason, d.reason) as reason, h.made_at, d.way, d.tries,
       d.next_try_at
  from handover h join delivery d using (delivery_id)
 where h.state = any(:states::text[])
 order by h.made_at, h.disclosure_id;

-- name: way_of(disclosure_id)$
-- Null where nothing of that disclosure waits.
select d.way
  from handover h join delivery d using (delivery_id)
 where h.disclosure_id = :disclosure_id and h.state in ('pending', 'failed');
