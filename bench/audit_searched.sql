-- A log as years of work leave it: `$1` disclosures of 49 people each and of one delivery, about `$2`
-- people in all, in which bytes and columns say the same. Times go by the order of the log but for
-- some minutes. One recipient and one category are rare, and one type is.
with disclosure as materialized (
    select
        number, type, recipient, purpose, categories, actor, disclosure_id, event_id, at,
        format(
            '{"data":{"at":"%s","actor":"%s","plan_digest":"%s","service":"registration",'
            '"disclosure_id":"%s","recipient":"%s"',
            written, actor, repeat('ab', 32), disclosure_id, recipient
        ) as opening,
        format(
            ',"purpose":"%s","legal_basis":"explicit-consent","categories":%s,'
            '"fields":["contact.name","diet.text"],"event_id":"%s",%s,"subject_id":"',
            purpose, to_json(categories), event_id,
            case
                when type = 'DisclosureRefused' then '"reason":"no-consent"'
                else '"content_digest":"' || repeat('cd', 32) || '"'
            end
        ) as details,
        '"},"datacontenttype":"application/json","dataschema":"steward:' || type || '/1","id":"'
        as attributes,
        format(
            '","source":"/steward/registration","specversion":"1.0","time":"%s","type":"%s"}',
            written, type
        ) as closing,
        format(
            ',"people":49},"datacontenttype":"application/json",'
            '"dataschema":"steward:DisclosureDelivered/1","id":"'
        ) as delivered,
        format(
            '","source":"/steward/registration","specversion":"1.0","time":"%s",'
            '"type":"DisclosureDelivered"}',
            written
        ) as delivered_closing
    from (
        select
            number, at, to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as written,
            'cli:clerk-' || number % 40 as actor,
            md5('disclosure' || number)::uuid as disclosure_id,
            md5('event' || number / 10)::uuid as event_id,
            case
                when number % 500 = 250 then 'DisclosureRefused'
                when number % 3 = 0 then 'DataTransmitted'
                else 'DataDisclosed'
            end as type,
            case
                when number % 1000 = 7 then 'printer'
                else (array['caterer', 'caterer', 'hotel', 'bus-company'])[1 + number % 4]
            end as recipient,
            (array['dietary-needs', 'catering', 'accommodation', 'transport'])[1 + number % 4]
            as purpose,
            case
                when number % 1000 = 9 then array['contact', 'billing']
                else array['contact', (array['diet', 'diet', 'stay', 'transport'])[1 + number % 4]]
            end as categories
        from (
            select
                number,
                timestamptz '2016-01-01 UTC' + (number * 1500 - number * 7919 % 600) * interval '1 s'
                as at
            from generate_series(0, $1::bigint - 1) as number
        ) as numbered
    ) as described
)

insert into audit.entry (
    sequence, id, topic_offset, type, at, actor, subject_id, recipient, purpose, event_id,
    disclosure_id, categories, body
)
select
    sequence, id, sequence, type, at, actor, subject_id, recipient, purpose, event_id,
    disclosure_id, categories,
    convert_to(opening || details || subject_id || attributes || id || closing, 'UTF8')
from (
    select
        disclosure.*, number * 50 + place as sequence, gen_random_uuid() as id,
        md5('person' || (number * 50 + place) % $2::bigint)::uuid as subject_id
    from disclosure, generate_series(0, 48) as place
) as handed
union all
select
    number * 50 + 49, id, number * 50 + 49, 'DisclosureDelivered', at, actor, null, recipient, null,
    null, disclosure_id, '{}',
    convert_to(opening || delivered || id || delivered_closing, 'UTF8')
from (select disclosure.*, gen_random_uuid() as id from disclosure) as told;
