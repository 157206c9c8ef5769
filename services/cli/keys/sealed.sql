-- The rows that hold sealed values, each in the schema that the search path names.

-- name: personal_of_registrations()
select subject_id, personal from registration;

-- name: waiting_messages()
select sealed from waiting_message;

-- name: contacts()
select subject_id, category, sealed from contact;

-- name: buyers()
select subject_id, category, sealed from buyer where sealed is not null;

-- name: handovers()
select subject_id, category, sealed from handover_value;

-- name: dead_letters()
select sealed from dead_letter;
