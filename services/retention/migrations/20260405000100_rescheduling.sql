-- migrate:up

-- How far the schedule has followed the plan that is in force: one row, for all processes.
create table rescheduling (
    one boolean primary key default true check (one),
    -- The plan's number.
    plan bigint not null,
    -- Everything of people up to this one was looked through under that plan; null: of nobody yet.
    through uuid,
    done boolean not null
);

grant select, insert, update on rescheduling to steward_retention;
