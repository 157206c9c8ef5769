-- migrate:up

-- It told one person of an address, where several may have it; the last release did not call it any more.
drop function find_subjects(bytea[]);
