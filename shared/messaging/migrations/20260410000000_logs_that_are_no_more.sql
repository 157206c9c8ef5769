-- migrate:up

-- Less than zero: what the service had read up to there, without the sign, was another log, and it
-- reads nothing of this one, however long it grows, until somebody says where to begin.
alter table position drop constraint position_next_offset_check;
