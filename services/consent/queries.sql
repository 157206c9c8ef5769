-- name: record(ids, subject_ids, purposes, states, ats, wordings, languages, collected_by, sources, origins, plan_digest, recorded_at)
-- Records what nobody has recorded before, and of one origin and purpose what came first; ids ascend.
-- What is recorded counts where nothing later is known: the later time wins, then the heavier state,
-- so that the order in which records arrive does not matter. Gives those that were not recorded,
-- mostly none: they were known, or another replica was faster with them.
with said as materialized (
    select *
    from unnest(
        :ids::uuid[], :subject_ids::uuid[], :purposes::text[], :states::text[],
        :ats::timestamptz[], :wordings::text[], :languages::text[], :collected_by::text[],
        :sources::text[], :origins::bytea[]
    ) as one (
        id, subject_id, purpose, state, at, wording, language, collected_by, source, origin
    )
),
recorded as (
    insert into consent_record (
        id, subject_id, purpose, state, at, wording, language, collected_by, source, origin,
        plan_digest, recorded_at
    )
    select *, :plan_digest, :recorded_at from said order by origin, purpose, id
    on conflict (origin, purpose) do nothing
    returning id, subject_id, purpose, state, at
),
weighed as (
    select *, case state when 'given' then 0 when 'refused' then 1 else 2 end as weight
    from recorded
),
counted as (
    insert into consent_state as known (subject_id, purpose, state, at, weight, record_id)
    select distinct on (subject_id, purpose) subject_id, purpose, state, at, weight, id
    from weighed
    order by subject_id, purpose, at desc, weight desc
    on conflict (subject_id, purpose) do update
    set
        state = excluded.state,
        at = excluded.at,
        weight = excluded.weight,
        record_id = excluded.record_id
    where (excluded.at, excluded.weight) > (known.at, known.weight)
)
select id from said where id not in (select id from recorded);

-- name: keep_contacts(subject_ids, purposes, categories, languages, sealed, ats, registration_ids)!
-- Kept only where nobody has said no since, in whichever order and however often it is told. That
-- another yes holds now brings back nothing: it may have come without whom to write to.
insert into contact as known (subject_id, category, language, sealed, at, registration_id)
select
    latest.subject_id, latest.category, latest.language, latest.sealed, latest.at,
    latest.registration_id
from unnest(
    :subject_ids::uuid[], :purposes::text[], :categories::text[], :languages::text[],
    :sealed::bytea[], :ats::timestamptz[], :registration_ids::uuid[]
) as latest (subject_id, purpose, category, language, sealed, at, registration_id)
left join lateral (
    select true as found
    from consent_record as record
    where
        record.subject_id = latest.subject_id
        and record.purpose = latest.purpose
        and record.at >= latest.at
        and record.state <> 'given'
    limit 1
) as no on true
where no.found is null
order by latest.subject_id
on conflict (subject_id) do update
set
    category = excluded.category,
    language = excluded.language,
    sealed = excluded.sealed,
    at = excluded.at,
    registration_id = excluded.registration_id,
    corrected_at = null
where excluded.at >= known.at;

-- name: lock_states(subject_ids)!
-- Whoever records what these people say waits, and we for him, in the order of `record`.
select
from consent_state
where subject_id = any(:subject_ids::uuid[])
order by subject_id, purpose
for update;

-- name: wait_no_longer(milliseconds)!
-- Until the transaction ends, for any lock.
select set_config('lock_timeout', :milliseconds, true);

-- name: correct_contacts(registration_ids, subject_ids, categories, sealed, ats)!
-- Changes what is there and adds nothing, so that nobody comes back whom a no has removed. `at` stays
-- when it was left: a no from before the correction that comes after it removes it all the same. What
-- is told again as it is corrects nothing, however often it comes.
with told as (
    select *
    from unnest(
        :registration_ids::uuid[], :subject_ids::uuid[], :categories::text[], :sealed::bytea[],
        :ats::timestamptz[]
    ) as one (registration_id, subject_id, category, sealed, at)
),
emptied as (
    delete from contact using told
    where
        contact.subject_id = told.subject_id
        and contact.registration_id = told.registration_id
        and contact.category = told.category
        and told.at >= coalesce(contact.corrected_at, contact.at)
        and told.sealed is null
)
update contact
set sealed = told.sealed, corrected_at = told.at
from told
where
    contact.subject_id = told.subject_id
    and contact.registration_id = told.registration_id
    and contact.category = told.category
    and told.at >= coalesce(contact.corrected_at, contact.at)
    and told.sealed <> contact.sealed;

-- name: drop_contacts(subject_ids, purposes)!
-- Whom we may no longer write to for any purpose, or not by what was left with an earlier yes: what
-- is known for it is of no use any more.
delete from contact
where
    subject_id = any(:subject_ids::uuid[])
    and not exists (
        select from consent_state as held
        where
            held.subject_id = contact.subject_id
            and held.purpose = any(:purposes::text[])
            and held.state = 'given'
            and not exists (
                select from consent_record as record
                where
                    record.subject_id = contact.subject_id
                    and record.purpose = held.purpose
                    and record.at >= contact.at
                    and record.state <> 'given'
            )
    );

-- name: standing_after(subject_id, purpose, most)
-- What holds of the next people and purposes and, where that is a yes, the last no before it, which
-- the yes does not undo for what was collected earlier. The no comes first.
with page as (
    select subject_id, purpose, state, record_id
    from consent_state
    where (subject_id, purpose) > (:subject_id::uuid, :purpose::text)
    order by subject_id, purpose
    limit :most::integer
)
select
    record.subject_id, record.purpose, record.state, record.at, record.wording, record.language,
    record.collected_by, record.source, record.origin, record.plan_digest
from page
cross join lateral (
    (select * from consent_record where id = page.record_id)
    union all
    (
        select *
        from consent_record as no
        where
            page.state = 'given'
            and no.subject_id = page.subject_id
            and no.purpose = page.purpose
            and no.state <> 'given'
        order by no.at desc
        limit 1
    )
) as record
order by record.subject_id, record.purpose, record.at;

-- name: states_of(subject_ids, purpose)
select subject_id, state, at
from consent_state
where subject_id = any(:subject_ids::uuid[]) and purpose = :purpose;
