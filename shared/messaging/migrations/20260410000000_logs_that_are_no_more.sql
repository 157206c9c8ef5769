-- migrate:up

-- -1: what the service had read was another log, and it reads nothing of this one, however long it
-- grows, until somebody says where to begin.
alter table position drop constraint position_next_offset_check;
alter table position add constraint position_next_offset_check check (next_offset >= -1);
