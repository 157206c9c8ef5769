-- What a session of ours may leave in the server's own log.

-- name: loud_settings(names, wanted)
-- A setting of an extension that is not loaded is null or a mere word: then it says nothing.
select w.name
from unnest(:names::text[], :wanted::text[]) with ordinality as w (name, value, place)
where current_setting(w.name, true) <> w.value
order by w.place;
