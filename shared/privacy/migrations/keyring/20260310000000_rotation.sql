-- migrate:up

-- Of several key-encryption keys one is current: it wraps what is made from now on. The one before
-- wraps what was made before, until that is wrapped anew; then it is retired.
alter table key_encryption_key
    add column current boolean not null default false,
    add column retired_at timestamptz,
    -- How many keys it had wrapped have been wrapped anew.
    add column rewrapped bigint not null default 0,
    add check (not current or retired_at is null);

-- So far there was but one.
update key_encryption_key set current = true;

create unique index one_is_current on key_encryption_key (current) where current;

-- The current key-encryption key, which stays current until the caller commits; null before the
-- first start. Whoever makes another one current waits for all who make keys, and they for him: from
-- his commit on nothing is wrapped by the one before.
create function hold_key_encryption_key() returns text
language plpgsql security definer set search_path = keyring, pg_temp as $$
begin
    perform pg_advisory_xact_lock_shared(hashtext('keyring key_encryption_key'));
    -- A statement of its own: it sees what was committed while the lock was waited for.
    return (select k.kek from key_encryption_key k where k.current);
end
$$;

-- As before, and: where the keys were wrapped by another key-encryption key than the current one,
-- nothing is made. Then there is one row, without places, and `kek` is what to wrap them by.
alter function make_keys(uuid[], text[], text[], timestamptz[], uuid[], bytea[], text)
    rename to make_keys_under;

create function make_keys(
    subject_ids uuid[], categories text[], contexts text[], ats timestamptz[],
    key_ids uuid[], wrapped_keys bytea[], made_with text
) returns table (places bigint[], key_id uuid, generation integer, kek text, wrapped bytea,
    after timestamptz)
language plpgsql security definer set search_path = keyring, pg_temp as $$
declare
    current_kek text := hold_key_encryption_key();
begin
    if current_kek <> made_with then
        return query select
            null::bigint[], null::uuid, null::integer, current_kek, null::bytea, null::timestamptz;
    else
        return query select m.* from make_keys_under(
            subject_ids, categories, contexts, ats, key_ids, wrapped_keys, made_with) m;
    end if;
end
$$;

-- The key of the calling service for the records of a day. Made where there is none. `key_id` is
-- null where the new one was wrapped by another key-encryption key than the current one, `kek`.
create or replace function make_record_key(
    of_day date, new_key_id uuid, new_wrapped bytea, made_with text
) returns table (key_id uuid, kek text, wrapped bytea)
language plpgsql security definer set search_path = keyring, pg_temp as $$
#variable_conflict use_column
declare
    current_kek text := hold_key_encryption_key();
begin
    if current_kek <> made_with then
        return query select null::uuid, current_kek, null::bytea;
        return;
    end if;
    return query
    insert into record_key (service_role, day, key_id, kek, wrapped)
    values (session_user, of_day, new_key_id, made_with, new_wrapped)
    on conflict do nothing
    returning key_id, kek, wrapped;
    if not found then
        return query
        select k.key_id, k.kek, k.wrapped from record_key k
        where k.service_role = session_user and k.day = of_day
        for key share;
    end if;
end
$$;

-- The key-encryption keys that wrap keys of this ring. `at_hand` are those that the calling process
-- has, the newest first: at the very first start that one is recorded.
drop function know_key_encryption_key(text);
create function know_key_encryption_keys(at_hand text[]) returns table (kek text, current boolean)
language plpgsql security definer set search_path = keyring, pg_temp as $$
#variable_conflict use_column
begin
    -- Two first starts with two keys: only one of them may be the first.
    lock table key_encryption_key in share row exclusive mode;
    insert into key_encryption_key (kek, current)
    select at_hand[1], true where not exists (select from key_encryption_key);
    return query
    select k.kek, k.current from key_encryption_key k
    where k.retired_at is null order by k.current desc;
end
$$;

-- Retires the key-encryption keys that were replaced and wrap nothing any more. Nothing can come to
-- be wrapped by them again. Gives them, the current one, and how many keys were wrapped anew.
create function retire_key_encryption_keys()
returns table (kek text, replaced_by text, rewrapped bigint)
language sql security definer set search_path = keyring, pg_temp as $$
    update key_encryption_key old set retired_at = now()
    from key_encryption_key new
    where new.current and not old.current and old.retired_at is null
        and not exists (select from data_key k where k.kek = old.kek and k.wrapped is not null)
        and not exists (select from record_key k where k.kek = old.kek and k.wrapped is not null)
    returning old.kek, new.kek, old.rewrapped
$$;
