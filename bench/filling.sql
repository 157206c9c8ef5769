-- name: keep_inbox(today, keep)!
select keep_inbox(:today, :keep);

-- name: columns_of(table)
-- Columns that can be written.
select attname as name, quote_ident(attname) as quoted
from pg_attribute
where
    attrelid = (:table::text)::regclass and attnum > 0 and not attisdropped
    and attgenerated = '' and attidentity <> 'a'
order by attnum;

-- name: indexes_of(table)
-- How to remove and to make each index and foreign key of a table, keys as the constraints they
-- are. Those of partitions come and go with those of their parent; a key that another table refers
-- to stays.
select
    format('alter table %s drop constraint %I', :table::text, conname) as remove,
    format('alter table %s add constraint %I %s', :table::text, conname,
        pg_get_constraintdef(oid)) as make
from pg_constraint as own
where
    conrelid = (:table::text)::regclass
    and contype in ('p', 'u', 'f')
    and (contype = 'f' or not exists (
        select from pg_constraint as other
        where other.contype = 'f' and other.conindid = own.conindid))
union all
select format('drop index %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
from pg_index
where
    indrelid = (:table::text)::regclass
    and not exists (select from pg_constraint where conindid = indexrelid);
