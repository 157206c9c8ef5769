"""Schedules what facts tell that is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.retention import store
from services.retention.domain import (
    EVENT_END,
    EventAnchor,
    Item,
    RetentionClass,
    Rules,
    Term,
    class_of_registration,
    event_anchor,
    newest,
    term,
)
from services.retention.handlers.rescheduling import move
from services.retention.handlers.rules import rules_of
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
    RegistrationCancelled,
    RegistrationWaitlisted,
    collected_at,
)
from shared.contract.types import EventId
from shared.messaging.unit_of_work import Transaction
from shared.privacy.all_plans import CONSENT_WITHDRAWAL, Resting, resting_on
from shared.privacy.in_force import Derived, InForce
from shared.privacy.plan import Plan
from shared.privacy.stored_plans import newest_on_consent
from shared.runtime.database import Connection

Participation = (
    ParticipantRegistered | ParticipantUpdated | RegistrationWaitlisted | RegistrationCancelled
)
ConsentFact = ConsentGiven | ConsentRefused | ConsentWithdrawn | ConsentExpired

FINANCIAL_YEARS: Final = frozenset({"financial_year_end", "financial_year_calendar_end"})
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Before anybody said anything."""


class Handlers:
    """The use cases, by the rules of plans. They open no personal data."""

    def __init__(self, in_force: InForce) -> None:
        self._in_force = in_force
        self._rules_of_plans = rules_of(in_force)
        self._resting = Derived(in_force, resting_on)

    @property
    def _plan(self) -> Plan:
        return self._in_force.plan

    @property
    def _rules(self) -> Rules:
        return self._rules_of_plans()

    async def prepare(self, tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        """Learn the events of the whole batch: handlers find nothing new in them."""
        await self._learn(tx, messages)
        tx.made_ready = True

    async def learn_events(self, tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        """Know each event as its highest version has it, and move what hangs on its end.

        Every fact that carries an event tells of it, so that no fact waits for another.
        """
        # Once: of a batch that was prepared, everything is known.
        if not tx.made_ready:
            await self._learn(tx, messages)

    async def schedule_registrations(
        self, tx: Transaction, messages: Sequence[Message[Participation]]
    ) -> None:
        """Schedule each registration, and each category of data that it carries.

        A registration goes on carrying what it was given under earlier plans, and says it with each
        of its facts. What the plan in force has not is kept as the newest plan had it (ADR 98).
        """
        await self.learn_events(tx, messages)
        events = sorted({event.event_id for event in _events(messages)})
        anchors = await store.anchors_of(tx.connection, events)
        terms: dict[tuple[EventId, tuple[str, ...]], Sequence[Term]] = {}
        items: list[Item] = []
        for message in messages:
            data = message.data
            event_id = data.event.event_id
            alike = (event_id, _categories(data))
            if alike not in terms:
                if not self._rules.of_category.keys() >= set(alike[1]):
                    tx.dead_letter(
                        message, "category_unknown", "personal: has a category that no plan had"
                    )
                    continue
                terms[alike] = tuple(self._terms(alike[1], anchors[event_id]))
            items.append(Item(terms[alike], data.registration_id, data.subject_id, _as_of(data)))
        await store.put(tx.connection, items)

    async def schedule_cancelled(
        self, tx: Transaction, messages: Sequence[Message[RegistrationCancelled]]
    ) -> None:
        """Schedule what is kept of a cancelled registration where the fact tells of it.

        What was given to register is kept until the event is over, also by who cancels. Mostly it
        is in the schedule already, by the registration's own fact.
        """
        await self.learn_events(tx, messages)
        telling = [message for message in messages if message.data.categories]
        if telling:
            await self.schedule_registrations(tx, telling)

    async def schedule_invoices(
        self, tx: Transaction, messages: Sequence[Message[InvoiceIssued]]
    ) -> None:
        """Schedule each invoice as a voucher and as a part of the ledger."""
        kept = [one for one in self._rules.classes.values() if one.anchor in FINANCIAL_YEARS]
        items = [
            Item(
                tuple(
                    term("invoice", one.name, data.event_id, one, data.financial_year_ends)
                    for one in kept
                ),
                data.invoice_id,
                data.subject_id,
                data.issued_at,
            )
            for data in (message.data for message in messages)
        ]
        await store.put(tx.connection, items)

    async def schedule_consents(
        self, tx: Transaction, messages: Sequence[Message[ConsentFact]]
    ) -> None:
        """Schedule what rests on a consent: without an end while it holds, from its end on else.

        With it ends whatever any plan let rest on it, known here or not: a former plan may come
        back, and a yes from before be heard after the no (ADR 100).
        """
        zone = ZoneInfo(self._plan.organisation.time_zone)
        given = {one.data.purpose for one in messages if type(one.data) is ConsentGiven}
        begins = await self._begins_to_rest(tx.connection, given)
        terms: dict[tuple[str, date | None], Sequence[Term]] = {}
        items: list[Item] = []
        for message in messages:
            data = message.data
            start = None if type(data) is ConsentGiven else data.at.astimezone(zone).date()
            alike = (data.purpose, start)
            if alike not in terms:
                resting = begins if start is None else self._in_force.all_plans.resting
                terms[alike] = tuple(_consented(resting, data.purpose, start))
            items.append(Item(terms[alike], data.subject_id, data.subject_id, data.at))
        await store.put(tx.connection, items)

    async def _begins_to_rest(self, connection: Connection, purposes: Collection[str]) -> Resting:
        """What rests on a consent to these purposes that holds: by the plan in force or, where that
        asks for none, by the newest that did. Should it come back, the consent counts.
        """
        asked = {name: kept for name, kept in self._resting().items() if name in purposes}
        former = self._in_force.all_plans.on_consent.intersection(purposes) - asked.keys()
        if former:
            plans = await newest_on_consent(connection, former)
            asked |= {name: resting_on(plan)[name] for name, plan in plans.items()}
        return asked

    async def _learn(self, tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        told = newest(event_anchor(event) for event in _events(messages))
        if not told:
            return
        changed = await store.keep_anchors(tx.connection, list(told.values()))
        if changed:
            await move(
                tx.connection, {known: told[known].ends_on for known in changed}, self._rules
            )

    def _terms(self, categories: Collection[str], anchor: EventAnchor) -> Iterator[Term]:
        """The categories whose period started with an event's end under any plan, since nobody can
        tell by which they were sealed; and the registration, which is kept as long as the last of
        those that start so now. Other categories are known by consents and invoices.
        """
        for category in sorted(categories):
            one = self._rules.kept_from.get((category, EVENT_END))
            if one is not None:
                yield term("category", category, anchor.event_id, one, anchor.ends_on)
        last = class_of_registration(categories, self._rules, anchor.ends_on)
        if last is not None:
            yield term("registration", "registration", anchor.event_id, last, anchor.ends_on)


def _consented(resting: Resting, purpose: str, start: date | None) -> Iterator[Term]:
    for category, kept in resting.get(purpose, {}).items():
        one = RetentionClass(kept.retention_class, CONSENT_WITHDRAWAL, kept.period)
        # One consent ends without the other, where two purposes use one category.
        yield term("consent", f"{purpose}/{category}", None, one, start)


def _events(messages: Sequence[Message[Any]]) -> Collection[EventState]:
    """The events that messages carry. Those that share one, as most do, tell of it once."""
    events = (getattr(message.data, "event", None) for message in messages)
    return {id(event): event for event in events if type(event) is EventState}.values()


def _categories(data: Participation) -> tuple[str, ...]:
    return data.categories if isinstance(data, RegistrationCancelled) else tuple(data.personal)


def _as_of(data: Participation) -> datetime:
    """Since when the person's data are what the fact tells. A place may be given later: a
    correction may be sent before that and come after it. A cancellation seals nothing: whatever is
    known of the data is newer, also that nobody can read them any more.
    """
    if isinstance(data, ParticipantRegistered):
        return collected_at(data)
    if isinstance(data, RegistrationCancelled):
        return LONG_AGO
    return data.updated_at if isinstance(data, ParticipantUpdated) else data.waitlisted_at
