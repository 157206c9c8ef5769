-- migrate:up

-- When the person last said no to the purpose, also where a yes has followed: the yes is for what
-- came with it, and not for what was collected before the no. `given` and `at` are the latest answer,
-- as before. Where that is a yes now, a no before it is forgotten: the yes covers all, as it did.
alter table consent add column last_no_at timestamptz;

update consent set last_no_at = at where not given;
