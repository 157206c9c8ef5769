-- Wrapping the ring anew. The administrator's work: no service's role reads wrapped keys at large.

-- name: key_encryption_keys()
select kek, current, retired_at
from keyring.key_encryption_key
order by recorded_at, kek;

-- name: hold_all_makers()!
-- Whoever makes keys holds this lock, shared, until it commits.
select pg_advisory_xact_lock(hashtext('keyring key_encryption_key'));

-- name: replace_current(before)^
update keyring.key_encryption_key set current = false
where kek = :before and current
returning kek;

-- name: add_current(kek)!
insert into keyring.key_encryption_key (kek, current) values (:kek, true);

-- name: plan_each_page()!
-- A plan for any page would read the whole ring for each.
set plan_cache_mode = force_custom_plan;

-- name: count_wrapped_by(kek)$
select (select count(*) from keyring.data_key where kek = :kek and wrapped is not null)
    + (select count(*) from keyring.record_key where kek = :kek and wrapped is not null);

-- name: page_wrapped_by(kek, after, most)
-- By key id, which both tables have an index of: a page costs the same wherever it lies.
select key_id, wrapped
from (
    select key_id, kek, wrapped from keyring.data_key
    union all
    select key_id, kek, wrapped from keyring.record_key) k
where kek = :kek and wrapped is not null and key_id > :after
order by key_id
limit :most;

-- name: rewrap(before, kek, key_ids, wrapped_keys)$
-- Whoever destroys a key has it locked, and is not waited for: he would be in the way of all others
-- of the page. What he leaves behind is passed by: it is not wrapped any more. Who uses a key does
-- not notice.
with given as (
    select * from unnest(:key_ids::uuid[], :wrapped_keys::bytea[]) as g (key_id, wrapped)
), free as (
    select d.key_id
    from keyring.data_key d join given using (key_id)
    where d.kek = :before and d.wrapped is not null
    for no key update of d skip locked
), data_keys as (
    update keyring.data_key d set kek = :kek, wrapped = g.wrapped
    from free join given g using (key_id)
    where d.key_id = free.key_id and d.kek = :before and d.wrapped is not null
    returning 1
), free_records as (
    select r.key_id
    from keyring.record_key r join given using (key_id)
    where r.kek = :before and r.wrapped is not null
    for no key update of r skip locked
), record_keys as (
    update keyring.record_key r set kek = :kek, wrapped = g.wrapped
    from free_records f join given g using (key_id)
    where r.key_id = f.key_id and r.kek = :before and r.wrapped is not null
    returning 1
)
update keyring.key_encryption_key
set rewrapped = rewrapped
    + (select count(*) from data_keys) + (select count(*) from record_keys)
where kek = :before
returning (select count(*) from data_keys) + (select count(*) from record_keys);
