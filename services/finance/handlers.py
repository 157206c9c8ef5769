"""What the finance service does: it invoices registrations with a fee, and takes that back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from services.finance import store
from services.finance.domain import (
    Charge,
    FinancialYear,
    Invoice,
    accounting_content,
    charge_of,
    credit,
    issue,
    uncharged,
)
from shared.contract.message import Envelope, Message
from shared.contract.registration import (
    ParticipantRegistered,
    ParticipantUpdated,
    RegistrationCancelled,
    collected_at,
)
from shared.contract.types import InvoiceId, RegistrationId, Sealed, SubjectId
from shared.messaging.unit_of_work import Transaction
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.privacy.values import Disclosed, ToOpen, ToSeal
from shared.runtime.database import Connection

Door = Callable[[Connection, str, Sequence[ToOpen]], Awaitable[list[Disclosed | None]]]
"""By which personal data is opened for a purpose: `use()` or `amend()`."""

INVOICING: Final = "invoicing"
ACCOUNTING: Final = "accounting"
BILLING: Final = "billing"
CONTACT: Final = "contact"

REPUBLISHED_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Told:
    """What a person told us, sealed, and the invoice that it is for.

    `as_of` is when this became what they say; `collected_at` when the oldest of it was collected.
    """

    invoice_id: InvoiceId
    subject_id: SubjectId
    context: str
    personal: Mapping[str, Sealed]
    as_of: datetime
    collected_at: datetime | None


@dataclass(frozen=True, slots=True)
class Named:
    """Who an invoice names, in clear, for as long as it takes to seal it."""

    invoice_id: InvoiceId
    subject_id: SubjectId
    context: str
    as_of: datetime
    content: Mapping[str, JsonValue] = field(repr=False)


class Handlers:
    """The use cases, with the plan and the door to personal data that they need."""

    def __init__(self, privacy: Privacy) -> None:
        self._privacy = privacy
        self._percents_of_plan = privacy.derived(percents_of)

    @property
    def _percents(self) -> Mapping[str, Decimal]:
        return self._percents_of_plan()

    async def lock_numbers(self, tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        """Lock the series of the year, once and before any key, where a number will be given."""
        if any(map(_needs_number, messages)):
            await store.lock_series(tx.connection, self._year(tx.now))

    async def issue_invoices(
        self, tx: Transaction, messages: Sequence[Message[ParticipantRegistered]]
    ) -> None:
        """Invoice every registration with a fee, once."""
        charges = _charges(messages)
        if not charges:
            return
        year = self._year(tx.now)
        last = await store.lock_series(tx.connection, year)
        told = {message.data.registration_id: message for message in messages}
        known = await store.invoiced(tx.connection, [charge.registration_id for charge in charges])
        fresh = self._chargeable(tx, uncharged(charges, known), told)
        invoices = issue(
            fresh,
            year=year,
            last=last,
            percents=self._percents,
            ids=[tx.new_id() for _ in fresh],
            now=tx.now,
        )
        await store.issue(tx.connection, year, last, invoices)
        named = {one.registration_id: (one.invoice_id, year.context) for one in invoices}
        # Of data that was restricted then, and is told of again.
        named |= await store.nameless(tx.connection, known)
        registered = [_told(told[one].data, *named[one]) for one in named]
        await self._keep_told(tx, registered, self._door(tx))
        _say(tx, invoices, told)

    async def correct_buyers(
        self, tx: Transaction, messages: Sequence[Message[ParticipantUpdated]]
    ) -> None:
        """Let an invoice that stands name its buyer as the person has corrected it.

        To correct a name is to store it, which a restriction leaves alone (docs/adr/0056); to name
        who was not named is a use of it. Who is named by billing data that the plan in force does
        not let us open stays so: the contact data would name somebody else.
        """
        told = {message.data.registration_id: message.data for message in messages}
        standing = await store.correctable(tx.connection, list(told))
        corrected = [_corrected(told[one.registration_id], one) for one in standing]
        named = [
            news
            for news, one in zip(corrected, standing, strict=True)
            if one.names and (BILLING not in news.personal or self._may_open(BILLING))
        ]
        nameless = [news for news, one in zip(corrected, standing, strict=True) if not one.names]
        await self._keep_told(tx, named, self._privacy.amend)
        await self._keep_told(tx, nameless, self._door(tx))

    async def credit_invoices(
        self, tx: Transaction, messages: Sequence[Message[RegistrationCancelled]]
    ) -> None:
        """Take back the invoices of cancelled registrations, each once."""
        told = {message.data.registration_id: message for message in messages}
        year = self._year(tx.now)
        last = await store.lock_series(tx.connection, year)
        standing = await store.to_credit(tx.connection, list(told))
        notes = credit(
            standing, year=year, last=last, ids=[tx.new_id() for _ in standing], now=tx.now
        )
        await store.issue(tx.connection, year, last, notes)
        await self._copy_buyers(tx, notes)
        _say(tx, notes, told)

    def _chargeable(
        self,
        tx: Transaction,
        charges: Sequence[Charge],
        told: Mapping[RegistrationId, Message[Any]],
    ) -> list[Charge]:
        """Those whose VAT class the plan has. What was invoiced before is not asked: it has its
        invoice, whatever the plan has renamed since.
        """
        chargeable = []
        for charge in charges:
            if charge.vat_class in self._percents:
                chargeable.append(charge)
            else:
                tx.dead_letter(
                    told[charge.registration_id],
                    "vat_class_unknown",
                    "event.vat_class is no VAT class of the plan",
                )
        return chargeable

    def _door(self, tx: Transaction) -> Door:
        """Personal data as a new use of it: what is restricted or objected to stays sealed."""
        return partial(self._privacy.use, tx=tx)

    async def _keep_told(self, tx: Transaction, told: Sequence[Told], door: Door) -> None:
        if not told:
            return
        contents = await self._open(tx, told, door)
        named = [
            Named(one.invoice_id, one.subject_id, one.context, one.as_of, content)
            for one, content in zip(told, contents, strict=True)
        ]
        await self._keep_buyers(tx, named)

    async def _keep_buyers(self, tx: Transaction, named: Sequence[Named]) -> None:
        """Seal what invoicing needs of a person's data as accounting data of the year.

        The law keeps it longer than the event does, and so it gets a key of its own.
        """
        # Nothing is left of a person whose data were erased before.
        known = [one for one in named if one.content]
        items = [ToSeal(one.subject_id, ACCOUNTING, one.context, one.content) for one in known]
        sealed = await self._privacy.seal(tx.connection, items, at=tx.now)
        values = {one.invoice_id: value for one, value in zip(known, sealed, strict=True)}
        await store.keep_buyers(
            tx.connection,
            [
                store.Buyer(
                    invoice_id=one.invoice_id,
                    subject_id=one.subject_id,
                    category=ACCOUNTING,
                    context=one.context,
                    sealed=values.get(one.invoice_id),
                    as_of=one.as_of,
                )
                for one in named
            ],
        )

    async def _open(
        self, tx: Transaction, told: Sequence[Told], door: Door
    ) -> list[dict[str, JsonValue]]:
        """Billing data, with contact data for what they lack, as far as the plan lets us. A
        registration goes on carrying what it was given under earlier plans.
        """
        billing = await _opened(tx, BILLING, told, door) if self._may_open(BILLING) else {}
        incomplete = [
            one
            for one in told
            if "name" not in billing.get(one.invoice_id, {}) and self._may_open(CONTACT)
        ]
        contact = await _opened(tx, CONTACT, incomplete, door)
        return [
            accounting_content(
                {**contact.get(one.invoice_id, {}), **billing.get(one.invoice_id, {})}
            )
            for one in told
        ]

    def _may_open(self, category: str) -> bool:
        return category in self._privacy.plan.services["finance"].grants.get(INVOICING, ())

    async def _copy_buyers(self, tx: Transaction, notes: Sequence[Invoice]) -> None:
        """Name the buyer in credit notes too, under the key of the year that they are issued in."""
        taking_back = {note.credits: note for note in notes if note.credits is not None}
        buyers = await store.buyers_of(tx.connection, taking_back)
        opened = await self._privacy.use(
            tx.connection,
            ACCOUNTING,
            [
                ToOpen(buyer.subject_id, buyer.category, buyer.sealed, buyer.as_of)
                for buyer in buyers
            ],
            tx=tx,
        )
        named = []
        for buyer, disclosed in zip(buyers, opened, strict=True):
            note = taking_back[buyer.invoice_id]
            content = {} if disclosed is None else disclosed.reveal()
            named.append(
                Named(note.invoice_id, note.subject_id, note.year.context, tx.now, content)
            )
        await self._keep_buyers(tx, named)

    def _year(self, now: datetime) -> FinancialYear:
        """The financial year of today, as the organisation's calendar has it."""
        plan = self._privacy.plan
        today = now.astimezone(ZoneInfo(plan.organisation.time_zone)).date()
        return FinancialYear(plan.financial_year.end(today))


async def _opened(
    tx: Transaction, category: str, told: Sequence[Told], door: Door
) -> dict[InvoiceId, Mapping[str, JsonValue]]:
    present = [one for one in told if category in one.personal]
    items = [
        ToOpen(one.subject_id, category, one.personal[category], one.collected_at)
        for one in present
    ]
    opened = await door(tx.connection, INVOICING, items)
    return {
        one.invoice_id: disclosed.reveal()
        for one, disclosed in zip(present, opened, strict=True)
        if disclosed is not None
    }


def _corrected(data: ParticipantUpdated, standing: store.Standing) -> Told:
    return Told(
        invoice_id=standing.invoice_id,
        subject_id=data.subject_id,
        context=standing.context,
        personal=data.personal,
        as_of=data.updated_at,
        collected_at=data.collected_at,
    )


def _told(data: ParticipantRegistered, invoice_id: InvoiceId, context: str) -> Told:
    collected = collected_at(data)
    return Told(
        invoice_id=invoice_id,
        subject_id=data.subject_id,
        context=context,
        personal=data.personal,
        # Not since they have the place: a correction may be sent before that and come after it.
        as_of=collected,
        collected_at=collected,
    )


def percents_of(plan: Plan) -> dict[str, Decimal]:
    """The VAT classes of the plan, in percent of the net amount."""
    return {name: Decimal(vat_class.percent) for name, vat_class in plan.vat_classes.items()}


def costs_something(message: Message[Any]) -> bool:
    """False for a registration that is free of charge: there is nothing to invoice."""
    data = message.data
    # What is corrected or cancelled may have cost something then, whatever its event costs now.
    return type(data) is not ParticipantRegistered or _charge(data) is not None


def is_free(envelope: Envelope) -> bool:
    """The same as the registration's own envelope tells it: the rest of it is not for us to read.

    Facts of before that was told are read.
    """
    return envelope.no_fee


def _charges(messages: Sequence[Message[ParticipantRegistered]]) -> list[Charge]:
    charges = (_charge(message.data) for message in messages)
    return [charge for charge in charges if charge is not None]


def _charge(data: ParticipantRegistered) -> Charge | None:
    return charge_of(data.registration_id, data.subject_id, data.event)


def _needs_number(message: Message[Any]) -> bool:
    return type(message.data) is not ParticipantUpdated and costs_something(message)


def _say(
    tx: Transaction, invoices: Sequence[Invoice], told: Mapping[RegistrationId, Message[Any]]
) -> None:
    for invoice in invoices:
        tx.say(
            invoice.fact,
            key=invoice.subject_id,
            subject=invoice.subject_id,
            because=told[invoice.registration_id],
        )


async def republish_invoices(
    tx: Transaction, after: InvoiceId | None
) -> tuple[int, InvoiceId | None]:
    """Say some invoices and credit notes again, by id from `after` on; how many, and the last one.

    None is ever changed, so that nothing has to be locked, and no order kept with those of now.
    """
    invoices = await store.invoices_after(tx.connection, after, REPUBLISHED_AT_ONCE)
    for invoice in invoices:
        tx.say(invoice.fact, key=invoice.subject_id, subject=invoice.subject_id, snapshot=True)
    return len(invoices), invoices[-1].invoice_id if invoices else None
