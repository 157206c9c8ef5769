-- Calls of the keyring's functions (they see the calling role), and the handover of this service.

-- name: make_keys(subject_ids, categories, contexts, ats, key_ids, wrapped_keys, made_with)
select places, key_id, generation, kek, wrapped, after
from keyring.make_keys(
    :subject_ids, :categories, :contexts, :ats, :key_ids, :wrapped_keys, :made_with);

-- name: open_keys(purpose, key_ids)
select key_id, subject_id, category, generation, kek, wrapped
from keyring.open_keys(:purpose, :key_ids);

-- name: destroy_keys(subject_ids, categories, contexts, up_to)
select subject_id, category, keys
from keyring.destroy_keys(:subject_ids, :categories, :contexts, :up_to);

-- name: close_keys(subject_ids, categories, contexts, up_tos)$
select keyring.close_keys(:subject_ids, :categories, :contexts, :up_tos);

-- name: destroy_closed_keys(subject_ids, categories, contexts)
select subject_id, category, context, destroyed, alive
from keyring.destroy_closed_keys(:subject_ids, :categories, :contexts);

-- name: ask_erasure(subject_ids, up_to)$
select keyring.ask_erasure(:subject_ids, :up_to);

-- name: announce_cut_off(subject_ids, categories, contexts, up_to)$
select keyring.announce_cut_off(:subject_ids, :categories, :contexts, :up_to);

-- name: count_keys(subject_ids, categories, contexts)
select category, keys from keyring.count_keys(:subject_ids, :categories, :contexts);

-- name: record_attempt(categories, purpose)$
select keyring.record_attempt(:categories, :purpose);

-- name: take_attempts(before, most)
select role, category, purpose, minute, refused_by, attempts
from keyring.take_attempts(:before, :most);

-- name: make_record_key(day, key_id, wrapped, made_with)^
select key_id, kek, wrapped from keyring.make_record_key(:day, :key_id, :wrapped, :made_with);

-- name: open_record_keys(key_ids)
select key_id, kek, wrapped from keyring.open_record_keys(:key_ids);

-- name: destroy_record_keys(before_day)$
select keyring.destroy_record_keys(:before_day);

-- name: service_roles()
select rolname from pg_roles where rolname like 'steward\_%';

-- name: know_key_encryption_keys(at_hand)
select kek, current from keyring.know_key_encryption_keys(:at_hand);

-- name: retire_key_encryption_keys()
select kek, replaced_by, rewrapped from keyring.retire_key_encryption_keys();

-- name: identify(persons, kinds, sources, digests, ranks, rounds, candidates, old_digests, old_places, made_with)
select person, subject_id
from keyring.identify(
    :persons, :kinds, :sources, :digests, :ranks, :rounds, :candidates, :old_digests, :old_places,
    :made_with);

-- name: add_aliases(subject_ids, kinds, digests, old_digests, old_places, made_with)
select place
from keyring.add_aliases(:subject_ids, :kinds, :digests, :old_digests, :old_places, :made_with);

-- name: find_everybody(digests)
select digest, person, subject_id from keyring.find_everybody(:digests);

-- name: find_everybody_ever(digests)
select person, subject_id from keyring.find_everybody_ever(:digests);

-- name: same_people(subject_ids)
select subject_id from keyring.same_people(:subject_ids);

-- name: others_of(subject_ids)
select subject_id, other from keyring.others_of(:subject_ids);

-- name: aliases_of(subject_id)
select kind, source, shared, made_at, shared_with from keyring.aliases_of(:subject_id);

-- name: link_alias(digests, kind, made_with, subject_id, reason, of_subject)^
select outcome, led_to
from keyring.link_alias(:digests, :kind, :made_with, :subject_id, :reason, :of_subject);

-- name: unlink_alias(digests, subject_id)$
select keyring.unlink_alias(:digests, :subject_id);

-- name: retire_aliases(erased_before, most)$
select keyring.retire_aliases(:erased_before, :most);

-- name: forget_aliases(erased_before)$
select keyring.forget_aliases(:erased_before);

-- name: leave_handover(disclosure_id, recipient, purpose, event_id, fields, people, actor, plan_digest, request_reference, delivery_id, way, next_try_at, now, subject_ids, categories, value_fields, sealed, registration_ids)!
-- `value_fields` has one text of names, separated by spaces, for each value.
with leaving as (
    insert into delivery (delivery_id, way, next_try_at)
    values (:delivery_id, :way, :next_try_at)
    on conflict do nothing
), made as (
    insert into handover (disclosure_id, recipient, purpose, event_id, fields, people, actor,
        plan_digest, request_reference, delivery_id, made_at)
    values (:disclosure_id, :recipient, :purpose, :event_id, :fields, :people, :actor,
        :plan_digest, :request_reference, :delivery_id, :now)
    returning disclosure_id)
insert into handover_value (disclosure_id, subject_id, category, fields, sealed, registration_id)
select made.disclosure_id, v.subject_id, v.category, string_to_array(v.fields, ' '), v.sealed,
    v.registration_id
from made, unnest(:subject_ids::uuid[], :categories::text[], :value_fields::text[],
    :sealed::bytea[], :registration_ids::uuid[])
    as v (subject_id, category, fields, sealed, registration_id);

-- name: keep_limits(subject_ids, purposes, in_force, times)!
-- The latest counts, in whatever order they come; of two at one time, the one that limits.
insert into processing_limit (subject_id, purpose, in_force, at)
select * from unnest(:subject_ids::uuid[], :purposes::text[], :in_force::boolean[],
    :times::timestamptz[])
    on conflict (subject_id, purpose) do update
   set in_force = excluded.in_force, at = excluded.at
 where (excluded.at, excluded.in_force) >= (processing_limit.at, processing_limit.in_force);

-- name: limits_of(subject_ids, purpose)
-- Those in force for the purpose.
select subject_id, purpose
  from processing_limit
 where subject_id = any(:subject_ids::uuid[]) and purpose in ('', :purpose) and in_force
 order by subject_id, purpose;
