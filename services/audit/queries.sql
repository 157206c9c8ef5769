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

-- name: matching(after, before, since, until, subject_ids, recipient, event_id, words, readings_since)
-- What a filter leaves of `after < sequence < before`. Only for a session that plans a statement for
-- the values at hand (`plan_for_values`): what is null is then no condition, and stands in no
-- index's way.
select sequence, type, body
from entry
where
    sequence > :after
    and sequence < :before
    and (:since::timestamptz is null or at >= :since)
    and (:until::timestamptz is null or at < :until)
    and (:subject_ids::uuid[] is null or subject_id = any(:subject_ids))
    and (:recipient::text is null or recipient = :recipient)
    and (:event_id::uuid is null or event_id = :event_id)
    and (:words::text[] is null or words_of(type, actor, purpose, categories) @> :words)
    and (:readings_since::timestamptz is null or type <> 'DataAccessed' or at >= :readings_since)

-- name: plan_for_values#
set local plan_cache_mode = force_custom_plan;

-- name: take_time#
-- For one statement over a log of any length. It waits for nobody, as a batch or a reader would.
set local transaction_timeout = 0;

-- name: log_size()$
select size from tree_head;

-- name: about_subjects(subject_ids)
select sequence, body
from entry
where subject_id = any(:subject_ids::uuid[])
order by sequence;

-- name: outcomes_of(disclosure_ids)
-- The last word on each disclosure: delivered, or failed, why, and whether it may have arrived.
select distinct on (disclosure_id) disclosure_id, sequence, body
from entry
where
    disclosure_id = any(:disclosure_ids::uuid[])
    and type in ('DisclosureDelivered', 'DisclosureFailed')
order by disclosure_id, sequence desc;

-- name: bounds_of_time(since, until)^
-- Times only roughly follow the log. For a session that plans for the values at hand. It counts, since
-- a smallest and a largest alone would be looked for from both ends of the log, entry by entry.
select min(sequence) as first, max(sequence) as last, count(*) as many
from entry
where
    (:since::timestamptz is null or at >= :since)
    and (:until::timestamptz is null or at < :until);

-- name: disclosures_per_day(since, until, zone, recipient, handed_over, refused)
-- Of how many people something was handed over, of how many it was refused, and of how many it was
-- withheld before it left, by day of a time zone. Pairs are looked for by `in`, which hashes them
-- however few the planner takes them for.
with withheld as materialized (
    select disclosure_id, subject_id
    from entry
    where
        words_of(type, actor, purpose, categories) @> array['type:DisclosureWithheld']
        and at >= :since
        and not (convert_from(body, 'UTF8')::jsonb #>> '{data,may_have_reached}')::boolean
),
asked as materialized (
    select at, recipient, case
        when type = :refused then 'refused'
        when (disclosure_id, subject_id) in (select disclosure_id, subject_id from withheld)
        then 'withheld' else 'released'
    end as outcome
    from entry
    where
        at >= :since and at < :until
        and (type = any(:handed_over::text[]) or type = :refused)
        and (:recipient::text is null or recipient = :recipient)
)
select
    (at at time zone :zone)::date as day, recipient,
    count(*) filter (where outcome = 'released') as released,
    count(*) filter (where outcome = 'refused') as refused,
    count(*) filter (where outcome = 'withheld') as withheld
from asked
group by day, recipient;

-- name: disclosures_to(recipient, since, until, before, page_size, handed_over, refused)
-- Disclosures to one recipient, the newest first, each with its first entry: what it was about is
-- the same in all of them. `unsure` of those who are released were withheld, and may have been
-- reached before.
with withheld as materialized (
    select
        disclosure_id, subject_id,
        (convert_from(body, 'UTF8')::jsonb #>> '{data,may_have_reached}')::boolean as unsure
    from entry
    where recipient = :recipient and type = 'DisclosureWithheld' and at >= :since
),
asked as materialized (
    select sequence, disclosure_id, case
        when type = :refused then 'refused'
        when (disclosure_id, subject_id) in (
            select disclosure_id, subject_id from withheld where unsure
        ) then 'unsure'
        when (disclosure_id, subject_id) in (select disclosure_id, subject_id from withheld)
        then 'withheld' else 'released'
    end as outcome
    from entry
    where
        recipient = :recipient
        and at >= :since and at < :until
        and (type = any(:handed_over::text[]) or type = :refused)
),
found as (
    select
        disclosure_id,
        min(sequence) as first_sequence,
        count(*) filter (where outcome in ('released', 'unsure')) as released,
        count(*) filter (where outcome = 'refused') as refused,
        count(*) filter (where outcome = 'withheld') as withheld,
        count(*) filter (where outcome = 'unsure') as unsure
    from asked
    group by disclosure_id having min(sequence) < :before
    order by first_sequence desc limit :page_size
)
select found.*, first_entry.sequence, first_entry.body
from found
inner join entry as first_entry on first_entry.sequence = found.first_sequence
order by first_entry.sequence desc;

-- name: checkpoints_before(size, most)
select size, root, note, signed_at from checkpoint
where size < :size order by size desc limit :most;

-- name: claimed()^
-- What the table of the head says of the log, and what is in the log beyond that.
select
    size, hashed, frontier,
    (select max(sequence) from entry) as last_sequence
from tree_head;

-- name: whole_page(first, until)
-- Entries with all that they are found by, to see whether both say the same. Text in one array, of
-- which the client makes one value: of eight columns it would make eight, which takes twice as long.
select
    sequence, body, at, categories,
    array[id::text, type, actor, recipient, purpose, subject_id::text, event_id::text,
          disclosure_id::text] as named
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

-- name: dead_letters_at(offsets)$
select array(
    select record_offset from dead_letter
    where topic = 'audit' and record_offset = any(:offsets::bigint[]));

-- name: discards()$
-- Read as JSON by the client: bytes that are none would end a statement, and what looks for them.
select array(
    select body from entry
    where words_of(type, actor, purpose, categories) @> array['type:DeadLetterDiscarded']);

-- name: empty_log#
-- For a rebuild, by the administrator, in a transaction that is committed only when all that was
-- ever published is reached again. What refuses changes is put back by `close_log`.
-- Locks come first, in the order in which a batch and a redrive take them, so that who waits holds
-- nothing that is needed here in the end. Of `position` all of it: there may be no row yet.
lock table position, parked_key, dead_letter in exclusive mode;
lock table tree_head, entry, checkpoint in access exclusive mode;
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
-- Where the service reads on: never further on than it was, as a database that was put back does not
-- have the dead letters of later. A topic that gives the log is the one that was read, whatever was
-- thought of it. What is taken again is no dead letter until it fails again.
with moved as (
    update position set next_offset = least(abs(next_offset), :offset)
    where topic = 'audit' and partition = 0
    returning next_offset
),
again as (
    delete from dead_letter using moved
    where topic = 'audit' and partition = 0 and record_offset >= moved.next_offset
    returning case status when 'parked' then 'parked' else 'dead_letter' end as outcome
),
fewer as (
    select outcome, count(*) as messages from again group by outcome
)
update outcome_count set messages = outcome_count.messages - fewer.messages
from fewer
where topic = 'audit' and partition = 0 and outcome_count.outcome = fewer.outcome;

-- name: release_keys()!
-- Those that no dead letter holds any more.
delete from parked_key
where
    topic = 'audit'
    and not exists (
        select from dead_letter
        where
            dead_letter.topic = parked_key.topic
            and dead_letter.key_reference = parked_key.key_reference
            and (dead_letter.status = 'parked' or dead_letter.holds_key)
    );

-- name: lost_by(recipient, since, until, handed_over, unsure_reasons)^
-- What a recipient was handed in a span, and has arrived or may have: how many records of each set
-- of categories, and whose, by the sets that it has of them, 16 bytes for each person. A set is
-- written with spaces, several with bars. One row of arrays, since there may be a million people
-- and no cursor is held; entries are grouped early and by few columns, to be few soon.
-- What is said of one person goes before what is said of the whole disclosure: whoever was withheld
-- and cannot have been reached is not in `handed`, and `unsure` is whoever may have been.
with withheld as materialized (
    select
        disclosure_id, subject_id,
        (convert_from(body, 'UTF8')::jsonb #>> '{data,may_have_reached}')::boolean as unsure
    from entry
    where recipient = :recipient and type = 'DisclosureWithheld' and at >= :since
),
handed as materialized (
    select
        at, disclosure_id, subject_id, array_to_string(categories, ' ') as categories,
        (disclosure_id, subject_id) in (
            select disclosure_id, subject_id from withheld where unsure
        ) as unsure
    from entry
    where
        recipient = :recipient
        and type = any(:handed_over::text[])
        and at >= :since and at < :until
        and (disclosure_id, subject_id) not in (
            select disclosure_id, subject_id from withheld where not unsure
        )
),
call as materialized (
    select
        disclosure_id, unsure,
        count(*) as records, min(at) as first_at, max(at) as last_at
    from handed group by disclosure_id, unsure
),
last_word as (
    select distinct on (disclosure_id)
        disclosure_id,
        case when type = 'DisclosureFailed' then convert_from(body, 'UTF8')::jsonb -> 'data' end
            as failure
    from entry
    where
        type in ('DisclosureDelivered', 'DisclosureFailed')
        and disclosure_id in (select disclosure_id from call)
    order by disclosure_id, sequence desc
),
told as materialized (
    select
        call.*,
        case
            when call.unsure or last_word.disclosure_id is null then 'unconfirmed'
            when last_word.failure is null then 'delivered'
            when coalesce(
                (last_word.failure ->> 'may_have_reached')::boolean,
                last_word.failure ->> 'reason' = any(:unsure_reasons::text[])
            ) then 'unconfirmed'
            else 'undelivered'
        end as outcome
    from call left join last_word using (disclosure_id)
),
part as materialized (
    select subject_id, categories, count(*) as records
    from handed
    where
        unsure
        or disclosure_id not in (select disclosure_id from told where outcome = 'undelivered')
    group by subject_id, categories
),
of_set as (
    select categories, sum(records)::bigint as records from part group by categories
),
person as (
    select subject_id, string_agg(categories, '|' order by categories) as sets
    from part group by subject_id
),
alike as (
    select sets, string_agg(uuid_send(subject_id), ''::bytea order by subject_id) as subjects
    from person group by sets
)
select
    count(distinct disclosure_id) filter (where outcome <> 'undelivered') as disclosures,
    coalesce(sum(records) filter (where outcome = 'unconfirmed'), 0)::bigint as unconfirmed,
    coalesce(sum(records) filter (where outcome = 'undelivered'), 0)::bigint as undelivered,
    min(first_at) filter (where outcome <> 'undelivered') as first_at,
    max(last_at) filter (where outcome <> 'undelivered') as last_at,
    array(select categories from of_set order by categories) as sets,
    array(select records from of_set order by categories) as set_records,
    array(select sets from alike order by sets) as alike_sets,
    array(select subjects from alike order by sets) as alike_subjects
from told;

-- name: has_recipient(recipient)$
select exists(select from entry where recipient = :recipient);
