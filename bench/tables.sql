-- name: tables()
-- A partitioned table is the sum of its partitions. Rows and dead rows are the statistics' figures.
select
    family.service, family.name,
    sum(greatest(stat.n_live_tup, 0))::bigint as rows,
    sum(pg_table_size(member.oid))::bigint as table_bytes,
    sum(pg_indexes_size(member.oid))::bigint as index_bytes,
    sum(stat.n_dead_tup)::bigint as dead_rows,
    sum(stat.autovacuum_count)::bigint as vacuums,
    coalesce(max(array_to_string(member.reloptions, ',')), '') as settings
from (
    select c.oid, n.nspname as service, c.relname as name
    from pg_class as c
    inner join pg_namespace as n on n.oid = c.relnamespace
    where
        c.relkind in ('r', 'p')
        and not c.relispartition
        and n.nspname not like 'pg\_%'
        and n.nspname <> 'information_schema'
) as family
-- A table that is not partitioned has no tree.
left join lateral pg_partition_tree(family.oid) as tree on true
inner join pg_class as member on member.oid = coalesce(tree.relid, family.oid)
inner join pg_stat_all_tables as stat on stat.relid = member.oid
where member.relkind = 'r'
group by family.service, family.name
order by family.service, family.name;
