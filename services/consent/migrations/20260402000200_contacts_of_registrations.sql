-- migrate:up

-- Of what is kept already: its record has the registration as its origin. By itself, so that nobody
-- who reads the table waits for it.
update contact
set registration_id = encode(record.origin, 'hex')::uuid
from consent_record as record
where
    record.subject_id = contact.subject_id
    and record.at = contact.at
    and record.state = 'given'
    and record.collected_by = 'registration';
