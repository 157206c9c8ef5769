-- name: lock_head()$
-- The size of the log, locked until the transaction ends. A statement of its own: the next one
-- takes its snapshot after the lock, and so sees every entry that the one before us wrote.
select size from tree_head for update;

-- name: known_ids(ids)
-- Which of these entries the log has already.
select id from entry where id = any(:ids::uuid[]);

-- name: append(sequences, ids, topic_offsets, types, ats, actors, subject_ids, recipients, purposes, event_ids, disclosure_ids, categories, bodies)!
-- Categories come as text with a comma between them: arrays of arrays must be rectangular.
insert into entry (
    sequence, id, topic_offset, type, at, actor, subject_id, recipient, purpose, event_id,
    disclosure_id, categories, body
)
select
    fresh.sequence, fresh.id, fresh.topic_offset, fresh.type, fresh.at, fresh.actor,
    fresh.subject_id, fresh.recipient, fresh.purpose, fresh.event_id, fresh.disclosure_id,
    string_to_array(fresh.categories, ','), fresh.body
from unnest(
    :sequences::bigint[], :ids::uuid[], :topic_offsets::bigint[], :types::text[],
    :ats::timestamptz[], :actors::text[], :subject_ids::uuid[], :recipients::text[],
    :purposes::text[], :event_ids::uuid[], :disclosure_ids::uuid[], :categories::text[],
    :bodies::bytea[]
) as fresh (
    sequence, id, topic_offset, type, at, actor, subject_id, recipient, purpose, event_id,
    disclosure_id, categories, body
);

-- name: grow_head(size)!
update tree_head set size = :size;

-- name: page(after, since, until, subject_id, recipient, event_id, page_size)
-- The next entries in order of the log. Each page is a statement of its own: no cursor is held
-- open while a reader is slow, and memory stays the same for any length of log.
select sequence, body
from entry
where
    sequence > :after
    and (:since::timestamptz is null or at >= :since)
    and (:until::timestamptz is null or at < :until)
    and (:subject_id::uuid is null or subject_id = :subject_id)
    and (:recipient::text is null or recipient = :recipient)
    and (:event_id::uuid is null or event_id = :event_id)
order by sequence
limit :page_size;

-- name: count_matching(after, since, until, subject_id, recipient, event_id)$
select count(*)
from entry
where
    sequence > :after
    and (:since::timestamptz is null or at >= :since)
    and (:until::timestamptz is null or at < :until)
    and (:subject_id::uuid is null or subject_id = :subject_id)
    and (:recipient::text is null or recipient = :recipient)
    and (:event_id::uuid is null or event_id = :event_id);

-- name: about_subjects(subject_ids)
select sequence, body
from entry
where subject_id = any(:subject_ids::uuid[])
order by sequence;

-- name: outcomes_of(disclosure_ids)
-- The last word on each disclosure: delivered, or failed and why.
select distinct on (disclosure_id) disclosure_id, sequence, body
from entry
where
    disclosure_id = any(:disclosure_ids::uuid[])
    and type in ('DisclosureDelivered', 'DisclosureFailed')
order by disclosure_id, sequence desc;
