-- Read as the administrator, the one role that may look into every schema. Unqualified tables are
-- those of the service that `look_into` chose.

-- name: look_into(service)!
select set_config('search_path', :service, false);

-- name: read_progress()^
-- How far the service is, and what it has not said or could not handle.
select
  (select coalesce(json_agg(position), '[]') from position)::text as positions,
  (select count(*) from outbox) as outbox,
  (select count(*) from dead_letter where status = 'dead') as dead,
  (select count(*) from dead_letter where status = 'parked') as parked;

-- name: read_outcomes(topics)
select topic, outcome, sum(messages)::bigint as messages
from outcome_count where topic = any(:topics::text[]) and messages <> 0
group by topic, outcome;

-- name: read_faults(topics)
select status, reason, count(*) as messages
from dead_letter where topic = any(:topics::text[])
group by status, reason;

-- name: count_waiting()$
select count(*) from registration.waiting_message;

-- name: read_disclosures()
-- Every disclosure of the log: how many entries, about how many people.
select disclosure_id, recipient, purpose, event_id,
  count(*) filter (where type in ('DataDisclosed', 'DataTransmitted', 'DataDisclosedToAuthority'))
    as entries,
  count(distinct subject_id) filter (where type in
    ('DataDisclosed', 'DataTransmitted', 'DataDisclosedToAuthority')) as people,
  count(*) filter (where type = 'DisclosureRefused') as refused
from audit.entry where disclosure_id is not null and subject_id is not null
group by disclosure_id, recipient, purpose, event_id
order by min(sequence);
