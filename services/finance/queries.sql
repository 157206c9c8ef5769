-- name: open_series(financial_year)!
insert into number_series (financial_year, last) values (:financial_year, 0)
on conflict (financial_year) do nothing;

-- name: lock_series(financial_year)$
-- The last number given, locked until the transaction ends: whoever gives numbers or decides
-- whether something is invoiced already does it under this lock, in a later statement.
select last from number_series where financial_year = :financial_year for update;

-- name: advance_series(financial_year, last)!
update number_series set last = :last where financial_year = :financial_year;

-- name: invoiced(registration_ids)
select registration_id, invoice_id
from invoice
where registration_id = any(:registration_ids::uuid[]) and kind = 'invoice';

-- name: to_credit(registration_ids)
-- The invoices of these registrations that no credit note has taken back.
select
    invoice.invoice_id, invoice.financial_year_ends, invoice.position, invoice.registration_id,
    invoice.subject_id, invoice.event_id, invoice.unit, invoice.currency, invoice.net,
    invoice.vat, invoice.vat_class, invoice.vat_percent, invoice.issued_at
from invoice
where
    invoice.registration_id = any(:registration_ids::uuid[])
    and invoice.kind = 'invoice'
    and not exists (
        select 1 from invoice as note where note.credits = invoice.invoice_id
    )
order by array_position(:registration_ids::uuid[], invoice.registration_id);

-- name: invoices_after(after, most)
select
    invoice_id, financial_year_ends, position, credits, registration_id, subject_id, event_id,
    unit, currency, net, vat, vat_class, vat_percent, issued_at
from invoice
where invoice_id > :after::uuid
order by invoice_id
limit :most::integer;

-- name: issue(invoice_ids, numbers, financial_years, financial_year_ends, positions, kinds, credits, subject_ids, registration_ids, event_ids, units, currencies, nets, vats, vat_classes, vat_percents, references_, issued_ats)!
insert into invoice (
    invoice_id, number, financial_year, financial_year_ends, position, kind, credits, subject_id,
    registration_id, event_id, unit, currency, net, vat, vat_class, vat_percent, reference,
    issued_at
)
select fresh.*
from unnest(
    :invoice_ids::uuid[], :numbers::text[], :financial_years::integer[],
    :financial_year_ends::date[], :positions::bigint[], :kinds::text[], :credits::uuid[],
    :subject_ids::uuid[], :registration_ids::uuid[], :event_ids::uuid[], :units::text[],
    :currencies::text[], :nets::bigint[], :vats::bigint[], :vat_classes::text[],
    :vat_percents::text[], :references_::text[], :issued_ats::timestamptz[]
) as fresh;

-- name: keep_buyers(invoice_ids, subject_ids, categories, contexts, sealed, as_of)!
-- The latest of what the person told; older news changes nothing. What is told of one moment comes in
-- the order in which it was said: sources write seconds.
insert into buyer as known (invoice_id, subject_id, category, context, sealed, as_of)
select latest.invoice_id, latest.subject_id, latest.category, latest.context, latest.sealed,
    latest.as_of
from unnest(
    :invoice_ids::uuid[], :subject_ids::uuid[], :categories::text[], :contexts::text[],
    :sealed::bytea[], :as_of::timestamptz[]
) as latest (invoice_id, subject_id, category, context, sealed, as_of)
order by latest.invoice_id
on conflict (invoice_id) do update
set sealed = excluded.sealed, as_of = excluded.as_of
where excluded.sealed is not null
    and (excluded.as_of >= known.as_of or known.sealed is null);

-- name: nameless(registration_ids)
-- Invoices that name nobody: the person's data was erased, or could not be used at that time.
select invoice.registration_id, invoice.invoice_id, buyer.context
from invoice
inner join buyer on buyer.invoice_id = invoice.invoice_id
where
    invoice.registration_id = any(:registration_ids::uuid[])
    and invoice.kind = 'invoice'
    and buyer.sealed is null;

-- name: correctable(registration_ids)
-- Invoices whose buyer may still be corrected, with the context their data are sealed in.
select
    invoice.registration_id, invoice.invoice_id, buyer.context, buyer.sealed is not null as names
from invoice
inner join buyer on buyer.invoice_id = invoice.invoice_id
where
    invoice.registration_id = any(:registration_ids::uuid[])
    and invoice.kind = 'invoice'
    and not exists (
        select 1 from invoice as note where note.credits = invoice.invoice_id
    );

-- name: buyers_of(invoice_ids)
select invoice_id, subject_id, category, sealed, as_of
from buyer
where invoice_id = any(:invoice_ids::uuid[]) and sealed is not null;
