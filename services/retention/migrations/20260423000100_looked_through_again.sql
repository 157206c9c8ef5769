-- migrate:up

-- What only an earlier plan had was looked through by the rules of the plan in force alone, and an
-- event that moved may have passed it by: all is looked through once more.
update rescheduling set done = false, through = null;
