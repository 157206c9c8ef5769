-- So many disclosures of one person each, in which bytes and columns say the same. Of the topic's
-- offsets 0 is the last one's: that one alone is there.
insert into audit.entry (
    sequence, id, topic_offset, type, at, actor, subject_id, recipient, purpose, event_id,
    disclosure_id, categories, body
)
select
    number, id, number - $3::bigint + 1, 'DataDisclosed', at, 'cli:operator', subject_id, 'caterer',
    'event-catering', event_id, disclosure_id, '{contact,diet}',
    convert_to(
        format(
            '{"data":{"at":"%s","actor":"cli:operator","plan_digest":"%s","service":"registration",'
            '"disclosure_id":"%s","subject_id":"%s","recipient":"caterer",'
            '"purpose":"event-catering","legal_basis":"explicit-consent",'
            '"categories":["contact","diet"],"fields":["contact.name","diet.text"],'
            '"event_id":"%s","content_digest":"%s"},"datacontenttype":"application/json",'
            '"dataschema":"steward:DataDisclosed/1","id":"%s",'
            '"source":"/steward/registration","specversion":"1.0","time":"%s",'
            '"type":"DataDisclosed"}',
            written, repeat('ab', 32), disclosure_id, subject_id, event_id, repeat('cd', 32), id,
            written
        ),
        'UTF8'
    )
from (
    select
        number, gen_random_uuid() as id, gen_random_uuid() as subject_id,
        md5('event' || number % 5)::uuid as event_id,
        md5('disclosure' || number / 50)::uuid as disclosure_id,
        at, to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as written
    from (
        select number, timestamptz '2026-01-01 UTC' + number * interval '1 second' as at
        from generate_series($1::bigint, $2::bigint - 1) as number
    ) as numbered
) as made;
