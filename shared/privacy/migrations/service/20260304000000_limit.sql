-- migrate:up

-- What the retention service said last of a person: an objection to a purpose (article 21), or a
-- restriction of all processing (article 18), which has no purpose. `disclose()` reads it.
create table processing_limit (
    subject_id uuid not null,
    purpose text not null,
    in_force boolean not null,
    at timestamptz not null,
    primary key (subject_id, purpose)
);

do $$
begin
    execute format('grant select, insert, update on processing_limit to %I',
        'steward_' || current_schema());
end
$$;
