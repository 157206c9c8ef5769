"""The state of events and registrations, said again for readers who missed it."""

from __future__ import annotations

from typing import Final

from services.registration import store
from services.registration.domain.events import Event
from services.registration.handlers.participation import participation
from shared.contract.registration import (
    EventCancelled,
    EventEnded,
    EventOpened,
    EventState,
    RegistrationCancelled,
)
from shared.contract.registry import MessageData
from shared.contract.types import RegistrationId
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
    """Say some registrations as they stand, by id from `after` on; how many, and the last one."""
    standing = await store.registrations_after(tx.connection, after, MOST_AT_ONCE)
    rows = [one.registration for one in standing]
    events = await store.events_by_id(tx.connection, {row.event_id for row in rows})
    for one, row in zip(standing, rows, strict=True):
        fact = _as_it_stands(one, events[row.event_id].event.state())
        tx.say(fact, key=row.subject_id, subject=row.subject_id, snapshot=True)
    return len(rows), rows[-1].id if len(rows) == MOST_AT_ONCE else None


def _as_it_stands(one: store.Standing, event: EventState) -> MessageData:
    row = one.registration
    if one.cancelled_at is not None and one.cancelled_by is not None:
        return RegistrationCancelled(
            registration_id=row.id,
            subject_id=row.subject_id,
            event=event,
            cancelled_at=one.cancelled_at,
            by=one.cancelled_by,
        )
    return participation(row, event, one.position)
