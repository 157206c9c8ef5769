-- The plans of a schema: the service's own by its search path, or one the administrator has set.

-- name: hold_plan()$
select hold_plan();

-- name: take_plan()!
-- Waits for all who hold the plan in force, and makes whoever comes meanwhile wait.
select pg_advisory_xact_lock(hashtext('steward plan'));

-- name: use_schema(schema)!
select set_config('search_path', :schema, true);

-- name: plan_in_force()^
select number, digest, text, applied_at, applied_by from plan order by number desc limit 1;

-- name: plans()
select number, digest, text, applied_at, applied_by from plan order by number;

-- name: plans_with(digest)
select number, digest, text, applied_at, applied_by from plan
where starts_with(digest, :digest) order by number;

-- name: plan_names()
select kind, name, since from plan_name;

-- name: store_plan(number, digest, text, applied_at, applied_by)!
insert into plan (number, digest, text, applied_at, applied_by)
values (:number, :digest, :text, :applied_at, :applied_by);

-- name: store_names(kinds, names, since)!
-- What an earlier plan had under this name keeps its date.
insert into plan_name (kind, name, since)
select * from unnest(:kinds::text[], :names::text[], :since::timestamptz[])
on conflict do nothing;

-- name: say_followed(process, number)!
-- Written when there is something new, and else so often that who is silent is known to be gone.
insert into plan_follower as f (process, number, seen_at) values (:process, :number, now())
on conflict (process) do update set number = excluded.number, seen_at = excluded.seen_at
where f.number <> excluded.number or f.seen_at < excluded.seen_at - interval '5 s';

-- name: stop_following(process)!
delete from plan_follower where process = :process or seen_at < now() - interval '1 day';

-- name: followers(within_s)
select number, count(*) as processes from plan_follower
where seen_at > now() - make_interval(secs => :within_s) group by number;
