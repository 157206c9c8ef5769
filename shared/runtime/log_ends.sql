-- Positions of the service that connects; batches move them (shared/messaging).

-- name: has_read(topics, partitions, ends)$
-- Less than zero is a position in a log that is no more: nothing of this one is read.
select not exists (
    select
      from unnest(:topics::text[], :partitions::integer[], :ends::bigint[])
               as log (topic, partition, log_end)
      left join position as p using (topic, partition)
     where coalesce(p.next_offset, 0) < log.log_end);
