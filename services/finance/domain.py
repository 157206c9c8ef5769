"""What is invoiced, under which number, with how much tax, and what a cancellation takes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import cycle
from typing import Literal
from uuid import UUID

from pydantic import JsonValue

from shared.contract.finance import InvoiceIssued
from shared.contract.registration import EventState
from shared.contract.types import EventId, InvoiceId, Money, RegistrationId, SubjectId

ACCOUNTING_FIELDS = ("name", "address", "business_id", "einvoice_address", "reference")
"""What of a person's billing or contact data an invoice needs, and no more."""


@dataclass(frozen=True, slots=True)
class FinancialYear:
    """The financial year in which an invoice is issued (Accounting Act 1336/1997, 1:4)."""

    ends: date

    @property
    def name(self) -> int:
        """The calendar year in which it ends."""
        return self.ends.year

    @property
    def context(self) -> str:
        """The context of the keys that the year's accounting data are sealed under."""
        return f"year:{self.name}"


@dataclass(frozen=True, slots=True)
class Charge:
    """One registration for an event with a fee: what is to be invoiced."""

    registration_id: RegistrationId
    subject_id: SubjectId
    event_id: EventId
    unit: str
    net: Money
    vat_class: str


@dataclass(frozen=True, slots=True)
class Invoice:
    """A sales invoice, or the credit note that takes back the whole of one."""

    invoice_id: InvoiceId
    year: FinancialYear
    position: int
    credits: InvoiceId | None
    registration_id: RegistrationId
    subject_id: SubjectId
    event_id: EventId
    unit: str
    net: Money
    vat: Money
    vat_class: str
    vat_percent: str
    issued_at: datetime

    @property
    def kind(self) -> Literal["invoice", "credit_note"]:
        """A credit note is what takes an invoice back."""
        return "invoice" if self.credits is None else "credit_note"

    @property
    def number(self) -> str:
        """Year and place in it: digits only, as reference numbers are made of it."""
        return f"{self.year.name}{self.position:06d}"

    @property
    def reference(self) -> str:
        """What the payment says it is for."""
        return reference_number(self.number)

    @property
    def fact(self) -> InvoiceIssued:
        """What other services are told: no personal data."""
        return InvoiceIssued(
            invoice_id=self.invoice_id,
            number=self.number,
            kind=self.kind,
            credits=self.credits,
            subject_id=self.subject_id,
            registration_id=self.registration_id,
            event_id=self.event_id,
            net=self.net,
            vat=self.vat,
            vat_class=self.vat_class,
            vat_percent=self.vat_percent,
            financial_year_ends=self.year.ends,
            issued_at=self.issued_at,
        )


def charge_of(
    registration_id: RegistrationId, subject_id: SubjectId, event: EventState
) -> Charge | None:
    """What taking part costs; None where it is free of charge."""
    if event.fee is None or event.fee.minor_units <= 0 or event.vat_class is None:
        return None
    return Charge(
        registration_id, subject_id, event.event_id, event.unit, event.fee, event.vat_class
    )


def value_added_tax(net: Money, percent: Decimal) -> Money:
    """Tax on a net amount, rounded half up to minor units (away from zero for a credit note)."""
    exact = Decimal(net.minor_units) * percent / Decimal(100)
    rounded = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    return Money(minor_units=rounded, currency=net.currency)


def reference_number(base: str) -> str:
    """Finnish reference number (viitenumero): the base and its check digit, 4 to 20 digits.

    Weights 7, 3, 1 from the right; the check digit is what the sum lacks to the next ten
    (Finance Finland, Construction of reference numbers). Raises ValueError for another base.
    """
    digits = base.lstrip("0")
    if not (base.isascii() and base.isdigit()) or not 3 <= len(digits) <= 19:
        raise ValueError("a reference number is made of 3 to 19 digits")
    weighted = zip(reversed(digits), cycle((7, 3, 1)), strict=False)
    total = sum(int(digit) * weight for digit, weight in weighted)
    return f"{digits}{-total % 10}"


def issue(
    charges: Sequence[Charge],
    *,
    year: FinancialYear,
    last: int,
    percents: Mapping[str, Decimal],
    ids: Sequence[UUID],
    now: datetime,
) -> list[Invoice]:
    """Invoices for charges that have none, numbered on from the last number of the year.

    `percents` has the percentage of every VAT class among the charges.
    """
    return [
        Invoice(
            invoice_id=InvoiceId(invoice_id),
            year=year,
            position=position,
            credits=None,
            registration_id=charge.registration_id,
            subject_id=charge.subject_id,
            event_id=charge.event_id,
            unit=charge.unit,
            net=charge.net,
            vat=value_added_tax(charge.net, percents[charge.vat_class]),
            vat_class=charge.vat_class,
            vat_percent=percent_text(percents[charge.vat_class]),
            issued_at=now,
        )
        for position, (charge, invoice_id) in enumerate(zip(charges, ids, strict=True), last + 1)
    ]


def credit(
    invoices: Sequence[Invoice],
    *,
    year: FinancialYear,
    last: int,
    ids: Sequence[UUID],
    now: datetime,
) -> list[Invoice]:
    """Credit notes over the whole of each invoice, with the tax that it was issued with."""
    return [
        Invoice(
            invoice_id=InvoiceId(note_id),
            year=year,
            position=position,
            credits=invoice.invoice_id,
            registration_id=invoice.registration_id,
            subject_id=invoice.subject_id,
            event_id=invoice.event_id,
            unit=invoice.unit,
            net=_negative(invoice.net),
            vat=_negative(invoice.vat),
            vat_class=invoice.vat_class,
            vat_percent=invoice.vat_percent,
            issued_at=now,
        )
        for position, (invoice, note_id) in enumerate(zip(invoices, ids, strict=True), last + 1)
    ]


def uncharged(charges: Iterable[Charge], invoiced: Iterable[RegistrationId]) -> list[Charge]:
    """The charges of registrations that have no invoice, each registration once."""
    seen: set[RegistrationId] = set(invoiced)
    fresh = []
    for charge in charges:
        if charge.registration_id not in seen:
            seen.add(charge.registration_id)
            fresh.append(charge)
    return fresh


def accounting_content(known: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What accounting keeps of billing or contact data."""
    return {name: known[name] for name in ACCOUNTING_FIELDS if known.get(name) is not None}


def percent_text(percent: Decimal) -> str:
    """A percentage as documents write it: 25.5, not 25.50."""
    return f"{percent.normalize():f}"


def _negative(amount: Money) -> Money:
    return Money(minor_units=-amount.minor_units, currency=amount.currency)
