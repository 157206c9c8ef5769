"""What the retention service does: it knows of everything that is kept when it must go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.retention import store
from services.retention.domain import (
    EventAnchor,
    Item,
    RetentionClass,
    Thing,
    event_anchor,
    latest,
    longest,
    moves,
    newest,
    schedule,
)
from shared.contract.consent import (
    ConsentExpired,
    ConsentGiven,
    ConsentRefused,
    ConsentWithdrawn,
)
from shared.contract.finance import InvoiceIssued
from shared.contract.message import Message
from shared.contract.registration import (
    EventState,
    ParticipantRegistered,
    ParticipantUpdated,
    RegistrationWaitlisted,
)
from shared.messaging.unit_of_work import Transaction
from shared.privacy.plan import Plan

Participation = ParticipantRegistered | ParticipantUpdated | RegistrationWaitlisted
ConsentFact = ConsentGiven | ConsentRefused | ConsentWithdrawn | ConsentExpired

EVENT_END: Final = "event_end"
CONSENT_WITHDRAWAL: Final = "consent_withdrawal"
FINANCIAL_YEARS: Final = frozenset({"financial_year_end", "financial_year_calendar_end"})


class Handlers:
    """The use cases, with the retention classes of the plan. They open no personal data."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._classes = {
            name: RetentionClass(name, kept.anchor, kept.period)
            for name, kept in plan.retention.items()
        }
        self._time_zone = ZoneInfo(plan.organisation.time_zone)

    async def learn_events(self, tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        """Know each event as its highest version has it, and move what hangs on its end.

        Every fact that carries an event tells of it, so that no fact waits for another.
        """
        told = newest(event_anchor(event) for event in _events(messages))
        if not told:
            return
        changed = await store.keep_anchors(tx.connection, list(told.values()))
        if changed:
            anchors = [told[event_id] for event_id in told if event_id in changed]
            await store.move(tx.connection, moves(anchors, self._classes))

    async def schedule_registrations(
        self, tx: Transaction, messages: Sequence[Message[Participation]]
    ) -> None:
        """Schedule each registration, and each category of data that it carries."""
        # Where the batch was not prepared, as when a dead letter is redriven; else nothing is new.
        await self.learn_events(tx, messages)
        events = sorted({message.data.event.event_id for message in messages})
        anchors = await store.anchors_of(tx.connection, events)
        items: list[Item] = []
        for message in messages:
            unknown = message.data.personal.keys() - self._plan.categories.keys()
            if unknown:
                tx.dead_letter(
                    message, "category_unknown", "personal: has a category that the plan has not"
                )
                continue
            items.extend(self._items(message.data, anchors[message.data.event.event_id]))
        await store.put(tx.connection, latest(items))

    async def schedule_invoices(
        self, tx: Transaction, messages: Sequence[Message[InvoiceIssued]]
    ) -> None:
        """Schedule each invoice as a voucher and as a part of the ledger."""
        kept = [one for one in self._classes.values() if one.anchor in FINANCIAL_YEARS]
        items = [
            schedule(
                Thing(
                    kind="invoice",
                    item_id=message.data.invoice_id,
                    part=one.name,
                    subject_id=message.data.subject_id,
                    event_id=message.data.event_id,
                    as_of=message.data.issued_at,
                ),
                one,
                message.data.financial_year_ends,
            )
            for message in messages
            for one in kept
        ]
        await store.put(tx.connection, latest(items))

    async def schedule_consents(
        self, tx: Transaction, messages: Sequence[Message[ConsentFact]]
    ) -> None:
        """Schedule what rests on a consent: without an end while it holds, from its end on else."""
        items = [item for message in messages for item in self._consented(message.data)]
        await store.put(tx.connection, latest(items))

    def _items(self, data: Participation, anchor: EventAnchor) -> Iterator[Item]:
        """The categories whose period starts with the event's end, and the registration, which is
        kept as long as the last of them. Other categories are known by consents and invoices.
        """
        as_of = _as_of(data)
        kept = {
            category: self._classes[self._plan.retention_of(category)[0]]
            for category in sorted(data.personal)
        }
        bound = {name: one for name, one in kept.items() if one.anchor == EVENT_END}
        for category, one in bound.items():
            thing = Thing(
                "category",
                data.registration_id,
                category,
                data.subject_id,
                anchor.event_id,
                as_of,
            )
            yield schedule(thing, one, anchor.ends_on)
        last = longest(bound.values() or self._event_classes(), anchor.ends_on)
        if last is not None:
            thing = Thing(
                "registration",
                data.registration_id,
                "registration",
                data.subject_id,
                anchor.event_id,
                as_of,
            )
            yield schedule(thing, last, anchor.ends_on)

    def _event_classes(self) -> list[RetentionClass]:
        return [one for one in self._classes.values() if one.anchor == EVENT_END]

    def _consented(self, data: ConsentFact) -> Iterator[Item]:
        purpose = self._plan.purposes.get(data.purpose)
        for category in () if purpose is None else purpose.categories:
            one = self._classes[self._plan.retention_of(category)[0]]
            if one.anchor == CONSENT_WITHDRAWAL:
                thing = Thing(
                    kind="consent",
                    item_id=data.subject_id,
                    # One consent ends without the other, where two purposes use one category.
                    part=f"{data.purpose}/{category}",
                    subject_id=data.subject_id,
                    event_id=None,
                    as_of=data.at,
                )
                start = None if isinstance(data, ConsentGiven) else self._day(data.at)
                yield schedule(thing, one, start)

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self._time_zone).date()


def _events(messages: Sequence[Message[Any]]) -> Iterator[EventState]:
    for message in messages:
        event = getattr(message.data, "event", None)
        if isinstance(event, EventState):
            yield event


def _as_of(data: Participation) -> datetime:
    if isinstance(data, ParticipantRegistered):
        return data.registered_at
    return data.updated_at if isinstance(data, ParticipantUpdated) else data.waitlisted_at
