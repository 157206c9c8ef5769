-- migrate:up

-- When the person last said no to the purpose, also where a yes has followed: the yes is for what
-- came with it, and not for what was collected before the no. `given` and `at` are the latest answer,
-- as before. Empty also where the latest answer is a no of before this was kept: then `at` is it.
-- Where that is a yes now, a no before it is forgotten: the yes covers all, as it did.
alter table consent add column last_no_at timestamptz;
