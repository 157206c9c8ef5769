-- migrate:up

-- A topic that is made anew begins at offset 0, and what failed before may still be here: two records
-- had one place, and the second could be neither handled nor set aside. That nothing is taken twice is
-- for positions and the inbox to see. Letters of a key stand in the order of their ids: batches of a
-- partition come one after the other, and each writes its letters in the order of the log.
alter table dead_letter drop constraint dead_letter_topic_partition_record_offset_key;
drop index dead_letter_by_key;
create index dead_letter_by_key on dead_letter (topic, key_reference, id);
