-- migrate:up

-- The last number given in each financial year, named by the calendar year in which it ends.
-- Numbers leave no gap: who gives numbers locks the row first, and a rollback gives them back.
create table number_series (
    financial_year integer primary key,
    last bigint not null check (last >= 0)
);

create table invoice (
    invoice_id uuid primary key,
    number text not null unique,
    financial_year integer not null references number_series (financial_year),
    financial_year_ends date not null,
    position bigint not null check (position > 0),
    kind text not null check (kind in ('invoice', 'credit_note')),
    -- What a credit note takes back: an invoice is taken back once.
    credits uuid unique references invoice (invoice_id),
    subject_id uuid not null,
    registration_id uuid not null,
    event_id uuid not null,
    unit text not null,
    currency text not null,
    -- In the currency's minor unit; below zero in a credit note.
    net bigint not null,
    vat bigint not null,
    vat_class text not null,
    vat_percent text not null,
    -- Finnish reference number, which the payment carries.
    reference text not null,
    issued_at timestamptz not null,
    unique (financial_year, position),
    check ((kind = 'credit_note') = (credits is not null))
);

-- One registration is invoiced once, however often it is told.
create unique index invoice_of_registration on invoice (registration_id) where kind = 'invoice';

-- Who is invoiced, sealed under the key of accounting of that year. None: the person's data were
-- erased before the invoice was made.
create table buyer (
    invoice_id uuid primary key references invoice (invoice_id),
    subject_id uuid not null,
    category text not null,
    context text not null,
    sealed bytea,
    as_of timestamptz not null
);

grant select, insert, update on number_series to steward_finance;
grant select, insert on invoice to steward_finance;
grant select, insert, update, delete on buyer to steward_finance;
