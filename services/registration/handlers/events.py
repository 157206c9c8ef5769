"""Events are announced, change, are cancelled by the organiser, and end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from services.registration import store
from services.registration.domain.events import (
    Event,
    cancelled,
    changed,
    given_back,
    is_over,
    opened,
)
from services.registration.handlers.desk import About, Desk, Request, accept, decline
from services.registration.handlers.seats import fill_places
from services.registration.handlers.waiting import Waits, condemn, keep_waiting
from shared.contract.inbound import EventAnnounced, EventCancellationRequested, FormField
from shared.contract.message import Fault
from shared.contract.registration import (
    EventCancelled,
    EventChanged,
    EventOpened,
    RegistrationCancelled,
)
from shared.contract.types import EventId
from shared.messaging.unit_of_work import Transaction
from shared.privacy.plan import Plan

EARLIEST_YEAR: Final = 1900
LATEST_YEAR: Final = 2999
"""Upstream systems write the year 1 or 9999 where they know none, and what is kept until some time
after such an end would be kept for ever, and all who register declined after such a closing. Events
that were kept before this was asked stay."""

_OF_ANOTHER_SOURCE: Final = "event_number belongs to an event that another source announced"

MOST_AT_ONCE: Final = 2_000
"""Registrations cancelled in one transaction; a periodic loop does the rest."""


def foresee(
    desk: Desk,
    tx: Transaction,
    requests: Sequence[Request[EventAnnounced]],
    known: Mapping[bytes, store.KnownEvent],
) -> dict[bytes, store.KnownEvent]:
    """The events as the first announcement of each leaves them where nobody else announces them
    meanwhile, by reference. Those that are not `known` are opened.
    """
    foreseen: dict[bytes, store.KnownEvent] = {}
    for request in requests:
        reference, before = request.reference, known.get(request.reference)
        wrong = _wrong(desk.plan, request, None if before is None else before.event)
        if wrong is not None or reference in foreseen:
            continue
        if before is None:
            event = _opened(request, EventId(tx.new_id()))
            foreseen[reference] = store.KnownEvent(event, reference, has_backlog=False)
        else:
            foreseen[reference] = replace(before, event=changed(before.event, request.data))
    return foreseen


async def offer_events(
    desk: Desk,
    tx: Transaction,
    requests: Sequence[Request[EventAnnounced]],
    ids: Mapping[bytes, EventId],
) -> set[bytes]:
    """Open events and change them; the references of those opened, for which messages may wait.

    Old news has no effect. `ids` are for events that are opened, by their references. The events
    are locked, known or not.
    """
    references = {request.reference for request in requests}
    known = await store.events_by_reference(tx.connection, references)
    now = {reference: row.event for reference, row in known.items()}
    touched: dict[bytes, Request[EventAnnounced]] = {}
    for request in requests:
        before = now.get(request.reference)
        wrong = _wrong(desk.plan, request, before)
        if wrong is not None:
            holds_key = wrong != _OF_ANOTHER_SOURCE
            tx.dead_letter(request.message, "field_invalid", wrong, holds_key=holds_key)
            continue
        after = _after(tx, request, before, ids)
        if after != before:
            now[request.reference] = after
            touched[request.reference] = request
        accept(tx, request)
    if touched:
        written = {reference: now[reference] for reference in touched}
        await store.keep_events(tx.connection, written, tx.now)
        # What is said of an event that is over seats nobody: they would be invoiced for it.
        going_on = [
            (now[reference], request.said_at)
            for reference, request in touched.items()
            if not is_over(now[reference], request.at)
        ]
        await fill_places(tx, going_on)
    return set(touched) - set(known)


def _wrong(plan: Plan, request: Request[EventAnnounced], before: Event | None) -> str | None:
    """What of an announcement the plan does not have, in words; None where all is in order."""
    data = request.data
    if before is not None and before.source != request.source:
        return _OF_ANOTHER_SOURCE
    if (no_day := _wrong_days(data)) is not None:
        return no_day
    if data.unit not in plan.units:
        return "unit is not a unit of the plan"
    if data.vat_class is not None and data.vat_class not in plan.vat_classes:
        return "vat_class is not a VAT class of the plan"
    for index, recipient in enumerate(data.recipients):
        if recipient not in plan.recipients:
            return f"recipients.{index} is not a recipient of the plan"
    return _wrong_in_form(plan, data.form)


def _wrong_days(data: EventAnnounced) -> str | None:
    if data.starts_at.year < EARLIEST_YEAR or data.ends_at.year > LATEST_YEAR:
        return f"starts_at and ends_at must be from {EARLIEST_YEAR} to {LATEST_YEAR}"
    closes_at = data.registration_closes_at
    if closes_at is not None and closes_at.year < EARLIEST_YEAR:
        return f"registration_closes_at must be from {EARLIEST_YEAR} on"
    return None


def _wrong_in_form(plan: Plan, form: Sequence[FormField]) -> str | None:
    for index, declared in enumerate(form):
        if declared.field not in plan.fields:
            return f"form.{index}.field is not a field of the plan"
        if declared.purpose not in plan.purposes:
            return f"form.{index}.purpose is not a purpose of the plan"
    return None


def _opened(request: Request[EventAnnounced], event_id: EventId) -> Event:
    return opened(request.data, event_id=event_id, source=request.source)


def _after(
    tx: Transaction,
    request: Request[EventAnnounced],
    before: Event | None,
    ids: Mapping[bytes, EventId],
) -> Event:
    if before is None:
        event = _opened(request, ids[request.reference])
    else:
        event = changed(before, request.data)
        if event.version == before.version:
            return event
    fact = EventOpened if before is None else EventChanged
    offer = event.offer
    tx.say(
        fact(
            event=event.state(),
            capacity=offer.capacity,
            recipients=offer.recipients,
            form=offer.form,
        ),
        key=event.id,
        subject=event.id,
        because=request.message,
    )
    return event


async def cancel_events(
    desk: Desk, tx: Transaction, requests: Sequence[Request[EventCancellationRequested]]
) -> None:
    """The organiser cancels events, and with them every registration. The events are locked.

    Nothing brings an event back, so nobody but who announced it may cancel it: another source may
    have one of that number of its own.
    """
    references = {request.reference for request in requests}
    known = await store.events_by_reference(tx.connection, references)
    waiting: list[Waits] = []
    faults: list[tuple[Request[EventCancellationRequested], Fault]] = []
    gone: dict[bytes, Event] = {}
    for request in requests:
        row = known.get(request.reference)
        if row is None or (row.has_backlog and request.since is None):
            waiting.append(Waits(request, event=request.reference))
        elif row.event.source != request.source:
            faults.append((request, Fault("field_invalid", _OF_ANOTHER_SOURCE)))
        elif row.event.status == "cancelled" or request.reference in gone:
            accept(tx, request)
        elif is_over(row.event, request.at):
            decline(tx, request, "event_ended", About(row.event.id))
        else:
            because = request.message
            # Not what the source says: periods begin with it, and clocks of sources may be wrong.
            event = gone[request.reference] = cancelled(row.event, because.received_at)
            fact = EventCancelled(event=event.state())
            tx.say(fact, key=event.id, subject=event.id, because=because)
            accept(tx, request)
    await keep_waiting(desk, tx, waiting)
    await condemn(desk, tx, faults, holds_key=False)
    if gone:
        await store.keep_events(tx.connection, gone, tx.now)
        await clear_registrations(tx, gone.values())


async def clear_registrations(tx: Transaction, events: Iterable[Event]) -> None:
    """Cancel registrations of cancelled events: as many as one transaction may."""
    by_id = {event.id: event for event in events}
    rows = await store.cancel_some_of_events(tx.connection, list(by_id), tx.now, most=MOST_AT_ONCE)
    states = {event.id: event.state() for event in by_id.values()}
    for registration_id, subject_id, event_id, had_place in rows:
        event = by_id[event_id]
        by_id[event_id] = given_back(event, places=int(had_place), in_line=int(not had_place))
        tx.say(
            RegistrationCancelled(
                registration_id=registration_id,
                subject_id=subject_id,
                event=states[event_id],
                cancelled_at=tx.now,
                by="organiser",
            ),
            key=subject_id,
            subject=subject_id,
        )
    await store.keep_counts(tx.connection, by_id.values())


async def known_events(tx: Transaction, references: Collection[bytes]) -> list[Event]:
    """The events of these references, locked."""
    await store.lock_events(tx.connection, references)
    rows = await store.events_by_reference(tx.connection, references)
    return [rows[reference].event for reference in sorted(rows)]
