-- name: lock_tree(published)^
-- The head, locked until the transaction ends, and the root that was signed of a size.
select size, hashed, frontier, signed, published_root from lock_tree(:published);

-- name: grow_tree(size_before, size_after, hashed_after, roots)!
select grow_tree(:size_before, :size_after, :hashed_after, :roots);

-- name: read_tree(published)^
select
    size, hashed, frontier,
    coalesce((select max(checkpoint.size) from checkpoint), -1) as signed,
    (select checkpoint.root from checkpoint where checkpoint.size = :published) as published_root,
    (select announced.size from announced) as announced
from tree_head;

-- name: keep_checkpoint(size, root, note, now)!
-- Times of checkpoints do not run backwards, whatever the clock does.
insert into checkpoint (size, root, note, signed_at)
select
    :size, :root, :note,
    greatest(:now, (select signed_at from checkpoint order by size desc limit 1));

-- name: checkpoints_after(size, most)
select size, root, note from checkpoint where size > :size order by size limit :most;

-- name: announce(size)!
update announced set size = :size where size < :size;

-- name: take_publishing()$
-- One process publishes at a time. A lock of the session: it is gone when the session is.
select pg_try_advisory_lock(hashtext('audit publishing'));

-- name: known_ids(ids)$
-- Which of these the log has: an array, since a row costs its reader more.
select array(select id from entry where id = any(:ids::uuid[]));

-- name: bodies_by_id(ids)
select id, body from entry where id = any(:ids::uuid[]);

-- name: bodies(first, most)$
-- Entries in order, as an array: see above.
select array(
    select body from entry
    where sequence >= :first and sequence < :first::bigint + :most
    order by sequence
);

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

-- name: claimed()^
-- What the table of the head says of the log, and what is in the log beyond that.
select
    size, hashed, frontier,
    (select max(sequence) from entry) as last_sequence
from tree_head;

-- name: whole_page(first, until)
-- Entries with all that they are found by, to see whether both say the same.
select
    sequence, body, id, type, at, actor, subject_id, recipient, purpose, event_id,
    disclosure_id, categories
from entry
where sequence >= :first and sequence < :until
order by sequence;

-- name: checkpoints_between(after, until, most)
select size, root, note from checkpoint
where size > :after and size <= :until order by size limit :most;

-- name: notes_of(sizes)
select size, note from checkpoint where size = any(:sizes::bigint[]);

-- name: next_offset()$
-- How far the topic is in the log: read before the log, which then has at least so much of it.
select coalesce((select next_offset from position where topic = 'audit' and partition = 0), 0);

-- name: last_signed(signed)^
-- The signed entry that stands last in the topic: among the newest, as those of the topic's order
-- are all but dead letters that were redriven.
select sequence, topic_offset from entry
where sequence < :signed and sequence >= :signed::bigint - 1000
order by topic_offset desc
limit 1;

-- name: end_in_topic(first, size)$
select coalesce(max(topic_offset) + 1, 0) from entry where sequence >= :first and sequence < :size;

-- name: places(first, until)
select sequence, topic_offset, body from entry
where sequence >= :first and sequence < :until
order by sequence;

-- name: places_of(ids)
select id, sequence, topic_offset, body from entry where id = any(:ids::uuid[]);

-- name: set_aside(offsets)$
-- Which of these are dead letters, or were and somebody gave them up.
select array(
    select record_offset from dead_letter
    where topic = 'audit' and record_offset = any(:offsets::bigint[])
    union
    select (said.data ->> 'letter_offset')::bigint
    from entry
    cross join lateral (select convert_from(entry.body, 'UTF8')::jsonb -> 'data' as data) as said
    where entry.type = 'DeadLetterDiscarded' and said.data ->> 'letter_topic' = 'audit'
);

-- name: empty_log#
-- For a rebuild, by the administrator, in a transaction that is committed only when all that was
-- ever published is reached again. What refuses changes is put back by `close_log`.
create temporary table former on commit drop as table checkpoint;
alter table entry disable trigger entry_is_append_only;
alter table checkpoint disable trigger checkpoint_is_append_only;
alter table tree_head disable trigger tree_head_only_grows, disable trigger tree_head_stays;
truncate entry, checkpoint, tree_head;
insert into tree_head (size) values (0);

-- name: close_log#
alter table entry enable always trigger entry_is_append_only;
alter table checkpoint enable always trigger checkpoint_is_append_only;
alter table tree_head
enable always trigger tree_head_only_grows, enable always trigger tree_head_stays;

-- name: correct_former(size, root, note)!
-- What was published is right, whatever the table said.
update former set root = :root, note = :note
where size = :size and (root <> :root or note <> :note);

-- name: add_former(size, root, note, now)!
insert into former (size, root, note, signed_at)
select :size, :root, :note, :now
where not exists (select from former where former.size = :size);

-- name: largest_former()$
select coalesce(max(size), 0) from former;

-- name: restore_checkpoints()!
insert into checkpoint select size, root, note, signed_at from former order by size;

-- name: go_on_from(offset)!
-- Where the service reads on: behind what is in the log now.
update position set next_offset = :offset where topic = 'audit' and partition = 0;
