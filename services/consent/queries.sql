-- name: record(ids, subject_ids, purposes, states, ats, wordings, languages, collected_by, sources, origins, plan_digest, recorded_at)
-- Says which it has recorded: some may be known, or another replica may be faster with them.
insert into consent_record (
    id, subject_id, purpose, state, at, wording, language, collected_by, source, origin,
    plan_digest, recorded_at
)
select
    fresh.id, fresh.subject_id, fresh.purpose, fresh.state, fresh.at, fresh.wording,
    fresh.language, fresh.collected_by, fresh.source, fresh.origin, :plan_digest, :recorded_at
from unnest(
    :ids::uuid[], :subject_ids::uuid[], :purposes::text[], :states::text[], :ats::timestamptz[],
    :wordings::text[], :languages::text[], :collected_by::text[], :sources::text[],
    :origins::bytea[]
) as fresh (
    id, subject_id, purpose, state, at, wording, language, collected_by, source, origin
)
order by fresh.origin, fresh.purpose
on conflict (origin, purpose) do nothing
returning id;

-- name: project(subject_ids, purposes, states, ats, weights, record_ids)!
-- The later time wins, then the heavier state: the order in which records arrive does not matter.
insert into consent_state as known (subject_id, purpose, state, at, weight, record_id)
select
    latest.subject_id, latest.purpose, latest.state, latest.at, latest.weight, latest.record_id
from unnest(
    :subject_ids::uuid[], :purposes::text[], :states::text[], :ats::timestamptz[],
    :weights::smallint[], :record_ids::uuid[]
) as latest (subject_id, purpose, state, at, weight, record_id)
order by latest.subject_id, latest.purpose
on conflict (subject_id, purpose) do update
set
    state = excluded.state,
    at = excluded.at,
    weight = excluded.weight,
    record_id = excluded.record_id
where (excluded.at, excluded.weight) > (known.at, known.weight);

-- name: keep_contacts(subject_ids, purposes, categories, languages, sealed, ats)!
-- Kept only of people whose consent holds now, whichever way the records came in.
insert into contact as known (subject_id, category, language, sealed, at)
select latest.subject_id, latest.category, latest.language, latest.sealed, latest.at
from unnest(
    :subject_ids::uuid[], :purposes::text[], :categories::text[], :languages::text[],
    :sealed::bytea[], :ats::timestamptz[]
) as latest (subject_id, purpose, category, language, sealed, at)
inner join consent_state as held
    on held.subject_id = latest.subject_id
    and held.purpose = latest.purpose
    and held.state = 'given'
order by latest.subject_id
on conflict (subject_id) do update
set
    category = excluded.category,
    language = excluded.language,
    sealed = excluded.sealed,
    at = excluded.at
where excluded.at >= known.at;

-- name: drop_contacts(subject_ids, purposes)!
-- Whom we may no longer write to for any purpose: what is known for it is of no use any more.
delete from contact
where
    subject_id = any(:subject_ids::uuid[])
    and not exists (
        select from consent_state as held
        where
            held.subject_id = contact.subject_id
            and held.purpose = any(:purposes::text[])
            and held.state = 'given'
    );

-- name: state_of(subject_id, purpose)^
select state, at
from consent_state
where subject_id = :subject_id and purpose = :purpose;
