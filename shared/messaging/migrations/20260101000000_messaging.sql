-- migrate:up

-- Where the next batch of each partition begins. A batch compares and sets it in its own
-- transaction: whoever read another offset took a batch that is not theirs any more.
create table position (
  topic text not null,
  partition int not null,
  next_offset bigint not null check (next_offset >= 0),
  primary key (topic, partition)
) with (fillfactor = 50);

-- What has been taken, by keyed digests. Unique inside a day only: see docs/adr/0002.
create table inbox (
  day date not null,
  identity bytea not null,
  body bytea not null,
  primary key (day, identity)
) partition by range (day);
create table inbox_default partition of inbox default;

-- Exact, because it changes in the transaction of the batch: over a topic the counts add up to
-- what was taken from it.
create table outcome_count (
  topic text not null,
  partition int not null,
  outcome text not null check (outcome in (
    'accepted', 'refused', 'waiting', 'duplicate', 'dead_letter', 'parked', 'ignored', 'discarded')),
  messages bigint not null,
  primary key (topic, partition, outcome)
) with (fillfactor = 50);

-- Messages that could not be handled (dead) and those that wait behind one of them (parked).
-- `sealed` holds the whole record. Text from upstream is here only where it is registered;
-- `key_reference` and `type_reference` are keyed digests. `holds_key`: later messages of its key
-- wait for it; what never was a valid message holds nothing up.
create table dead_letter (
  id bigint generated always as identity primary key,
  topic text not null,
  partition int not null,
  record_offset bigint not null,
  status text not null check (status in ('dead', 'parked')),
  holds_key boolean not null,
  type text,
  type_reference bytea,
  key_reference bytea,
  reason text not null,
  detail text not null,
  sealed bytea not null,
  taken_at timestamptz not null,
  unique (topic, partition, record_offset)
);
create index dead_letter_by_key on dead_letter (topic, key_reference, partition, record_offset);

-- A key whose messages wait, in order, until its first one is redriven or discarded.
create table parked_key (
  topic text not null,
  key_reference bytea not null,
  parked_at timestamptz not null,
  primary key (topic, key_reference)
);

-- How many lanes there are is fixed here: changing it needs an empty outbox. sha256 and not
-- hashtext, whose values differ between versions of PostgreSQL. Without a key: always one lane.
create function outbox_lane(key bytea) returns smallint
language sql immutable parallel safe
return coalesce(get_byte(sha256(key), 0) % 2, 0)::smallint;

create table outbox (
  id bigint generated always as identity,
  lane smallint not null generated always as (outbox_lane(key)) stored,
  topic text not null,
  key bytea,
  headers json not null,
  value bytea not null,
  said_at timestamptz not null,
  primary key (lane, id)
) with (
  -- Every row is deleted soon: vacuum by number of dead rows, not by share of a table that is
  -- empty most of the time, and without pausing.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
  autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0);

-- Makes the inbox's partitions from yesterday to two days after today, and drops those older than
-- `keep` days. What comes too late for a partition of its day is in the default one: few rows. A
-- table's owner alone may do this, hence `security definer`; the body names nothing that a caller
-- could put in the way.
create function keep_inbox(today date, keep int) returns void
language plpgsql security definer set search_path from current
as $$
declare
  wanted date;
  part text;
begin
  -- Attaching and dropping take strong locks: never queue batches behind a wait for them.
  set local lock_timeout = '2s';
  perform pg_advisory_xact_lock(hashtext(current_schema() || ' inbox'));
  for wanted in select today - 1 + n from generate_series(0, 3) n loop
    part := 'inbox_' || to_char(wanted, 'YYYYMMDD');
    if to_regclass(part) is null then
      execute format('create table %I (like inbox including all)', part);
      execute format(
        'with late as (delete from inbox_default where day = %L returning *)
         insert into %I select * from late', wanted, part);
      execute format('alter table inbox attach partition %I for values from (%L) to (%L)',
        part, wanted, wanted + 1);
    end if;
  end loop;
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'inbox'::regclass and c.relname ~ '^inbox_\d{8}$'
      and to_date(right(c.relname, 8), 'YYYYMMDD') < today - keep
  loop
    execute format('drop table %I', part);
  end loop;
  delete from inbox_default where day < today - keep;
end
$$;
revoke execute on function keep_inbox from public;

do $$
declare
  service text := 'steward_' || current_schema();
begin
  perform keep_inbox((now() at time zone 'UTC')::date, 40);
  execute format('grant select, insert, update on position, outcome_count to %I', service);
  execute format('grant select, insert on inbox to %I', service);
  -- A share lock on a parked key needs the right to update it.
  execute format('grant select, insert, update, delete on dead_letter, parked_key to %I', service);
  execute format('grant select, insert, delete on outbox to %I', service);
  execute format('grant execute on function keep_inbox, outbox_lane to %I', service);
end
$$;
