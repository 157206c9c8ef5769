-- Every key of a page of sealed values, whoever's it is. The administrator asks, and no service.

-- name: keys_by_id(key_ids)
select key_id, subject_id, category, null as service_role, generation, kek, wrapped
from keyring.data_key
where key_id = any (:key_ids::uuid[])
union all
select key_id, null, '', service_role, 1, kek, wrapped
from keyring.record_key
where key_id = any (:key_ids::uuid[]);
