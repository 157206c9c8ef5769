-- migrate:up

-- What an entry is found by where one index for each would cost more than it gives: its type, who
-- acted, for which purpose, of which categories. A category is a name of the plan and has no colon,
-- so that it is taken for nothing else.
create function words_of(type text, actor text, purpose text, categories text[]) returns text[]
language sql immutable parallel safe
return categories || array['type:' || type, 'actor:' || actor, 'purpose:' || purpose];

create index entry_by_words on entry using gin (words_of(type, actor, purpose, categories));

-- What has come since the last vacuum would be read for any span of time, wherever it lies.
alter index entry_by_time set (autosummarize = on);

grant execute on function words_of to steward_audit;
