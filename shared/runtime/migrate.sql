-- Bookkeeping of migrations. Everything runs as the administrator, inside `steward migrate` alone.

-- name: take_turn()!
-- Two migrations at once would both find the same files pending.
select pg_advisory_lock(hashtext('steward migrate'));

-- name: administrator()^
select
  current_setting('is_superuser') = 'on' as superuser,
  current_setting('server_version_num')::int as version,
  current_database() as database,
  current_user as name;

-- name: is_ours()$
-- The comment is the marker: a schema of that name alone could be anybody's.
select coalesce(
  (select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'steward')
    = 'Steward keeps its record of migrations here', false);

-- name: foreign_contents()
-- Counts by schema, never contents. What belongs to an extension came with the server.
select n.nspname as schema, count(c.oid) as relations
from pg_namespace n
left join pg_class c on c.relnamespace = n.oid
  and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
  and not exists (
    select from pg_depend d
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (
    select from pg_depend d
    where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
group by n.nspname
having n.nspname <> 'public' or count(c.oid) > 0
order by n.nspname;

-- name: lock_roles()!
-- Roles belong to the whole server: two databases migrated at once would meet in this catalog.
lock table pg_authid in share row exclusive mode;

-- name: password_verifier(role)$
select rolpassword from pg_authid where rolname = :role;

-- name: role_exists(role)$
select exists (select from pg_roles where rolname = :role);

-- name: recorded(schemas)
select schema, version, name, sha256 from steward.migration
where schema = any(:schemas::text[]) order by schema, version;

-- name: record(schemas, versions, names, digests)!
-- Written before a file runs: a crash between the two leaves a row that is not yet binding.
insert into steward.migration (schema, version, name, sha256)
select * from unnest(:schemas::text[], :versions::text[], :names::text[], :digests::text[])
on conflict (schema, version) do update set name = excluded.name, sha256 = excluded.sha256;

-- name: has_bookkeeping(table_name)$
select to_regclass(:table_name) is not null;
