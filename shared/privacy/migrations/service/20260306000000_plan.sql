-- migrate:up

-- Every plan that was ever in force here, as its file was: disclosures cite them by their digest.
-- The one with the highest number is in force. The administrator writes (`steward migrate` the
-- first, `steward plan apply` the others) into the schemas of all services in one transaction.
create table plan (
    number bigint primary key check (number >= 1),
    digest text not null,
    text bytea not null,
    applied_at timestamptz not null,
    applied_by text not null,
    check (digest = encode(sha256(text), 'hex'))
);

-- Since when a plan has had a purpose or recipient of this name; null: since the first plan.
create table plan_name (
    kind text not null check (kind in ('purpose', 'recipient')),
    name text not null,
    since timestamptz,
    primary key (kind, name)
);

-- Processes of this service that run, and the plan that each works under.
create table plan_follower (
    process uuid primary key,
    number bigint not null,
    seen_at timestamptz not null
);

-- Keeps the plan that is in force in force until the transaction ends, and gives its number; null
-- where there is none yet. Whoever puts another one in force waits for all who hold this one, and
-- whoever comes meanwhile waits for that. The number is read by a statement of its own, which sees
-- what was committed while the lock was waited for; the caller's might not.
create function hold_plan() returns bigint
language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(hashtext('steward plan'));
    return (select number from plan order by number desc limit 1);
end
$$;

do $$
declare
    service text := 'steward_' || current_schema();
begin
    execute format('grant select on plan, plan_name to %I', service);
    execute format('grant select, insert, update, delete on plan_follower to %I', service);
    execute format('grant execute on function hold_plan to %I', service);
end
$$;
