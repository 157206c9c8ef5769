-- migrate:up

-- How what was released reaches its recipient. Handovers with one delivery leave together: a list
-- of an event is one disclosure for each purpose. `folder`: the service's own process puts it there
-- and tries again by itself; `hand`: a person takes it where they asked for it, and nobody else.
create table delivery (
    delivery_id uuid primary key,
    way text not null check (way in ('folder', 'hand')),
    tries integer not null default 0 check (tries >= 0),
    -- Whoever tries sets it to when the next one may: null where nobody does so by themselves.
    next_try_at timestamptz,
    -- The last try has not said what came of it, so that the recipient may have it.
    unsure boolean not null default false,
    -- Why the last try came to nothing.
    reason text
);

create index delivery_due on delivery (next_try_at) where next_try_at is not null;

-- What was left here before is by hand, and what its command did of it nobody knows.
alter table handover add column delivery_id uuid references delivery (delivery_id);
insert into delivery (delivery_id, way, tries, next_try_at, unsure, reason)
select disclosure_id, 'hand', 1, case state when 'pending' then made_at end, state = 'pending',
    reason
from handover;
update handover set delivery_id = disclosure_id;
alter table handover alter column delivery_id set not null;
create index handover_of_delivery on handover (delivery_id);

-- The authority's own number of its request, where the recipient is one.
alter table handover add column request_reference text;

-- `people` are those who are still in it; `withheld`: nobody is.
alter table handover drop constraint handover_people_check;
alter table handover add constraint handover_people_check
    check (people >= 0 and (people = 0) = (state = 'withheld'));
alter table handover drop constraint handover_state_check;
alter table handover add constraint handover_state_check
    check (state in ('pending', 'delivered', 'failed', 'withheld'));

do $$
begin
    execute format('grant select, insert, update on delivery to %I', 'steward_' || current_schema());
end
$$;
