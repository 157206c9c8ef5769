-- migrate:up

-- What came with a registration is corrected with it. `at` stays when it was left: a no that was said
-- later removes it, whatever was corrected meanwhile.
alter table contact
    add column registration_id uuid,
    add column corrected_at timestamptz;
