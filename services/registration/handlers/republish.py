"""The state of events and registrations, said again for readers who missed it."""

from __future__ import annotations

from typing import Final

from services.registration import store
from services.registration.domain.events import Event
from shared.contract.registration import (
    EventCancelled,
    EventEnded,
    EventOpened,
    ParticipantRegistered,
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


async def republish_people(
    tx: Transaction, after: RegistrationId | None
) -> tuple[int, RegistrationId | None]:
    """Say some of those who have a place, by id from `after` on; how many, and the last one."""
    people = await store.people_after(tx.connection, after, MOST_AT_ONCE)
    events = await store.events_by_id(tx.connection, {row.event_id for row in people})
    states = {event_id: row.event.state() for event_id, row in events.items()}
    for row in people:
        fact = ParticipantRegistered(
            registration_id=row.id,
            subject_id=row.subject_id,
            event=states[row.event_id],
            language=row.language,
            source=row.source,
            personal=dict(row.personal),
            consents=row.consents,
            registered_at=row.at,
        )
        tx.say(fact, key=row.subject_id, subject=row.subject_id, snapshot=True)
    return len(people), people[-1].id if len(people) == MOST_AT_ONCE else None
