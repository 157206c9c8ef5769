-- migrate:up

-- The check of this reference locked, and so wrote again, the record of every state: that cost more
-- than adding the state. Whoever adds one has added its record in the same transaction, and records
-- are neither changed nor deleted.
alter table consent_state drop constraint consent_state_record_id_fkey;
