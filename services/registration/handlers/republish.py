"""The state of events and registrations, said again for readers who missed it."""

from __future__ import annotations

from typing import Final

from services.registration import store
from services.registration.domain.events import Charge, Event, state_for
from services.registration.handlers.participation import participation
from shared.contract.registration import (
    AnsweredConsents,
    EventCancelled,
    EventEnded,
    EventOpened,
    EventState,
    RegistrationCancelled,
)
from shared.contract.registry import MessageData
from shared.contract.types import EventId, RegistrationId
from shared.messaging.unit_of_work import Transaction

MOST_AT_ONCE: Final = 1_000


async def republish_events(tx: Transaction) -> int:
    """Say every event as it is; how many facts that are."""
    said = 0
    for row in await store.all_events(tx.connection):
        for fact in _facts(row.event):
            tx.say(fact, key=row.event.id, subject=row.event.id, snapshot=True)
            said += 1
    return said


def _facts(event: Event) -> list[MessageData]:
    state, offer = event.state(), event.offer
    opened = EventOpened(
        event=state, capacity=offer.capacity, recipients=offer.recipients, form=offer.form
    )
    if event.status == "cancelled":
        return [opened, EventCancelled(event=state)]
    if event.status == "ended":
        return [opened, EventEnded(event=state)]
    return [opened]


async def republish_registrations(
    tx: Transaction, after: RegistrationId | None
) -> tuple[int, RegistrationId | None]:
    """Say some registrations as they stand, by id from `after` on; how many, and the last one.

    Their events are locked: what a cancellation says meanwhile must come behind what is said here.
    A place is told with what it cost, whatever the event costs now.
    """
    connection = tx.connection
    concerned = await store.events_after(connection, after, MOST_AT_ONCE)
    known = await store.events_by_id(connection, concerned)
    await store.lock_events(connection, (event.reference for event in known.values()))
    events = await store.events_by_id(connection, concerned)
    standing = await store.registrations_after(connection, after, MOST_AT_ONCE)
    states: dict[tuple[EventId, Charge | None], EventState] = {}
    for one in standing:
        row = one.registration
        if row.event_id not in events:
            continue  # it was committed a moment ago, and so was what was said of it
        alike = (row.event_id, one.charge)
        if alike not in states:
            states[alike] = state_for(events[row.event_id].event, one.charge)
        fact = _as_it_stands(one, states[alike])
        tx.say(fact, key=row.subject_id, subject=row.subject_id, snapshot=True)
    last = standing[-1].registration.id if len(standing) == MOST_AT_ONCE else None
    return len(standing), last


def _as_it_stands(one: store.Standing, event: EventState) -> MessageData:
    row = one.registration
    if one.cancelled_at is not None and one.cancelled_by is not None:
        return RegistrationCancelled(
            registration_id=row.id,
            subject_id=row.subject_id,
            event=event,
            cancelled_at=one.cancelled_at,
            by=one.cancelled_by,
            categories=tuple(sorted(row.personal)),
            answered=_answered(row),
        )
    return participation(row, event, one.position)


def _answered(row: store.Placed) -> AnsweredConsents | None:
    """What is said of no other fact any more, once the registration is cancelled."""
    if not row.consents:
        return None
    collected_at = row.waited_since or row.at
    return AnsweredConsents(consents=row.consents, source=row.source, collected_at=collected_at)
