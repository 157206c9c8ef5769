-- migrate:up

-- Nothing is ever searched by these, so nothing has to be known of how their values are spread.
-- Finding that out compared thousands of sealed values again each time that the table had grown.
alter table registration
    alter column personal set statistics 0,
    alter column consents set statistics 0,
    alter column share_fields set statistics 0;
