-- migrate:up

-- What came with a registration is corrected with it. `at` stays when it was left: a no that was said
-- later removes it, whatever was corrected meanwhile.
alter table contact
    add column registration_id uuid,
    add column corrected_at timestamptz;

-- What is kept already: its record has the registration as its origin.
update contact
set registration_id = encode(record.origin, 'hex')::uuid
from consent_record as record
where
    record.subject_id = contact.subject_id
    and record.at = contact.at
    and record.state = 'given'
    and record.collected_by = 'registration';
