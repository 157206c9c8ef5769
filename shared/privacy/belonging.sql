-- Before a migration: the keyring may be of an earlier version, or not be there yet.

-- name: has_keyring()$
select to_regclass('keyring.key_encryption_key') is not null;

-- name: recorded_key_encryption_keys()
-- The retired ones as well: an older backup of the secrets is of this database, too.
select kek from keyring.key_encryption_key;
