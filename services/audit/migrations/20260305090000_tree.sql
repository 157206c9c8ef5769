-- migrate:up

-- The tree over the log (RFC 6962), as much of it as its growth needs: the roots of its perfect
-- subtrees, the largest first, one for each bit of `hashed` that is set. `hashed` is less than
-- `size` only where entries were there before the tree was; it catches up before any is added.
alter table tree_head
add column hashed bigint not null default 0,
add column frontier bytea[] not null default '{}',
add constraint hashed_is_of_the_log check (hashed between 0 and size),
add constraint a_root_for_each_bit
check (cardinality(frontier) = length(replace(hashed::bit(64)::text, '0', '')));

-- What was signed of the log, and at most once of each size. `note` is the signed note itself
-- (C2SP tlog-checkpoint), which goes out as it is.
create table checkpoint (
    size bigint primary key check (size >= 0),
    root bytea not null check (octet_length(root) = 32),
    note bytea not null,
    signed_at timestamptz not null
);

create trigger checkpoint_is_append_only
before update or delete or truncate on checkpoint
for each statement execute function refuse_change();
alter table checkpoint enable always trigger checkpoint_is_append_only;

-- Up to which size checkpoints were handed to the outbox for the topic; -1: none was.
create table announced (
    singleton boolean primary key default true check (singleton),
    size bigint not null check (size >= -1)
);
insert into announced (size) values (-1);

create function refuse_shrinking() returns trigger
language plpgsql as $$
begin
    if new.size < old.size or new.hashed < old.hashed then
        raise exception 'the audit log only grows' using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;

create trigger tree_head_only_grows
before update on tree_head
for each row execute function refuse_shrinking();
alter table tree_head enable always trigger tree_head_only_grows;

create trigger tree_head_stays
before delete or truncate on tree_head
for each statement execute function refuse_change();
alter table tree_head enable always trigger tree_head_stays;

-- The head of the log, with the root that was signed of a size, and the newest size that was, -1 for
-- none. It is locked until the transaction ends, so that there is one writer at a time. A function, since a
-- lock needs the right to update. Reading is a statement of its own: it sees what the writer before
-- has committed. What is promised by a signature must be on disk when the commit returns.
create function lock_tree(published bigint) returns table (
    size bigint, hashed bigint, frontier bytea[], signed bigint, published_root bytea
)
language plpgsql security definer set search_path = audit, pg_temp as $$
begin
    perform from tree_head for update;
    if current_setting('synchronous_commit') in ('off', 'local') then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    return query
    select
        head.size, head.hashed, head.frontier,
        coalesce((select max(newest.size) from checkpoint as newest), -1),
        (select same.root from checkpoint as same where same.size = lock_tree.published)
    from tree_head as head;
end
$$;

-- Moves the head forward from where it is thought to be, over entries that are there without a gap.
create function grow_tree(size_before bigint, size_after bigint, hashed_after bigint, roots bytea[])
returns void
language plpgsql security definer set search_path = audit, pg_temp as $$
begin
    if (
        select count(*) <> size_after - size_before
            or coalesce(max(sequence), size_before - 1) <> size_after - 1
        from entry where sequence >= size_before
    ) then
        raise exception 'the entries do not follow each other' using errcode = 'check_violation';
    end if;
    update tree_head
    set size = size_after, hashed = hashed_after, frontier = roots
    where size = size_before and size_after >= size_before;
    if not found then
        raise exception 'the log is not where it was' using errcode = 'serialization_failure';
    end if;
end
$$;

revoke update on tree_head from steward_audit;
revoke update (size) on tree_head from steward_audit;
grant select, insert on checkpoint to steward_audit;
grant select, update (size) on announced to steward_audit;
grant execute on function lock_tree, grow_tree to steward_audit;
