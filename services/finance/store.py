"""Invoices, their numbers and their buyers in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from services.finance.domain import FinancialYear, Invoice
from shared.contract.types import (
    EventId,
    InvoiceId,
    Money,
    RegistrationId,
    Sealed,
    SubjectId,
)
from shared.runtime.database import Connection, queries

_sql = queries("queries.sql", __file__)

BEFORE_ALL: Final = UUID(int=0)
"""Less than any id: to page from the beginning by an index."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who is invoiced, sealed, as of a moment; None where the person's data were erased."""

    invoice_id: InvoiceId
    subject_id: SubjectId
    category: str
    context: str
    sealed: Sealed | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """An invoice that was not taken back, the context of its buyer's key, and whether it names the
    buyer.
    """

    registration_id: RegistrationId
    invoice_id: InvoiceId
    context: str
    names: bool


@dataclass(frozen=True, slots=True)
class SealedBuyer:
    """What is known of who an invoice names."""

    invoice_id: InvoiceId
    subject_id: SubjectId
    category: str
    sealed: Sealed
    as_of: datetime


async def lock_series(connection: Connection, year: FinancialYear) -> int:
    """The last number given in the year; nobody else gives one until the transaction ends."""
    last: int | None = await _sql.lock_series(connection, financial_year=year.name)
    if last is None:
        await _sql.open_series(connection, financial_year=year.name)
        last = await _sql.lock_series(connection, financial_year=year.name)
    return last or 0


async def invoiced(
    connection: Connection, registrations: Collection[RegistrationId]
) -> dict[RegistrationId, InvoiceId]:
    """The invoices of those registrations that have one."""
    rows = _sql.invoiced(connection, registration_ids=list(registrations))
    return {row["registration_id"]: row["invoice_id"] async for row in rows}


async def to_credit(
    connection: Connection, registrations: Sequence[RegistrationId]
) -> list[Invoice]:
    """The invoices of these registrations that nothing has taken back, in the order given."""
    rows = _sql.to_credit(connection, registration_ids=registrations)
    return [_invoice(row) async for row in rows]


async def invoices_after(
    connection: Connection, after: InvoiceId | None, most: int
) -> list[Invoice]:
    """So many next invoices and credit notes, by id. `after` None: the first."""
    rows = _sql.invoices_after(connection, after=after or BEFORE_ALL, most=most)
    return [_invoice(row, row["credits"]) async for row in rows]


async def issue(
    connection: Connection, year: FinancialYear, last: int, invoices: Sequence[Invoice]
) -> None:
    """Add invoices that are numbered on from `last`, which the caller has locked."""
    await _sql.issue(
        connection,
        invoice_ids=[invoice.invoice_id for invoice in invoices],
        numbers=[invoice.number for invoice in invoices],
        financial_years=[invoice.year.name for invoice in invoices],
        financial_year_ends=[invoice.year.ends for invoice in invoices],
        positions=[invoice.position for invoice in invoices],
        kinds=[invoice.kind for invoice in invoices],
        credits=[invoice.credits for invoice in invoices],
        subject_ids=[invoice.subject_id for invoice in invoices],
        registration_ids=[invoice.registration_id for invoice in invoices],
        event_ids=[invoice.event_id for invoice in invoices],
        units=[invoice.unit for invoice in invoices],
        currencies=[invoice.net.currency for invoice in invoices],
        nets=[invoice.net.minor_units for invoice in invoices],
        vats=[invoice.vat.minor_units for invoice in invoices],
        vat_classes=[invoice.vat_class for invoice in invoices],
        vat_percents=[invoice.vat_percent for invoice in invoices],
        references_=[invoice.reference for invoice in invoices],
        issued_ats=[invoice.issued_at for invoice in invoices],
    )
    await _sql.advance_series(connection, financial_year=year.name, last=last + len(invoices))


async def keep_buyers(connection: Connection, buyers: Sequence[Buyer]) -> None:
    """Keep who is invoiced; of one invoice only the latest news counts. One row per invoice."""
    await _sql.keep_buyers(
        connection,
        invoice_ids=[buyer.invoice_id for buyer in buyers],
        subject_ids=[buyer.subject_id for buyer in buyers],
        categories=[buyer.category for buyer in buyers],
        contexts=[buyer.context for buyer in buyers],
        sealed=[buyer.sealed for buyer in buyers],
        as_of=[buyer.as_of for buyer in buyers],
    )


async def buyers_of(connection: Connection, invoices: Collection[InvoiceId]) -> list[SealedBuyer]:
    """The buyers of these invoices whose data were not erased."""
    rows = _sql.buyers_of(connection, invoice_ids=list(invoices))
    return [
        SealedBuyer(
            invoice_id=row["invoice_id"],
            subject_id=row["subject_id"],
            category=row["category"],
            sealed=Sealed(row["sealed"]),
            as_of=row["as_of"],
        )
        async for row in rows
    ]


async def correctable(
    connection: Connection, registrations: Collection[RegistrationId]
) -> list[Standing]:
    """Invoices whose buyer may still be corrected."""
    rows = _sql.correctable(connection, registration_ids=list(registrations))
    return [Standing(**dict(row)) async for row in rows]


async def nameless(
    connection: Connection, registrations: Collection[RegistrationId]
) -> dict[RegistrationId, tuple[InvoiceId, str]]:
    """Invoices that name nobody, with the context of their keys."""
    rows = _sql.nameless(connection, registration_ids=list(registrations))
    return {row["registration_id"]: (row["invoice_id"], row["context"]) async for row in rows}


def _invoice(row: asyncpg.Record, takes_back: InvoiceId | None = None) -> Invoice:
    return Invoice(
        invoice_id=InvoiceId(row["invoice_id"]),
        year=FinancialYear(row["financial_year_ends"]),
        position=row["position"],
        credits=takes_back,
        registration_id=RegistrationId(row["registration_id"]),
        subject_id=SubjectId(row["subject_id"]),
        event_id=EventId(row["event_id"]),
        unit=row["unit"],
        net=Money(minor_units=row["net"], currency=row["currency"]),
        vat=Money(minor_units=row["vat"], currency=row["currency"]),
        vat_class=row["vat_class"],
        vat_percent=row["vat_percent"],
        issued_at=row["issued_at"],
    )
