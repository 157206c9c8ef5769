-- migrate:up

-- Through which day all that was due was gone over and destroyed: one row. What is due since then is
-- overdue once that is too long ago. What such a run has left is not, as it tells.
create table gone_over (
    one boolean primary key default true check (one),
    through date not null
);

grant select, insert, update on gone_over to steward_retention;
