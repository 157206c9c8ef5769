"""What follows when places become free: the first of the waiting list get them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.registration import store
from services.registration.domain.events import Event, moved_up, to_move_up
from services.registration.handlers.participation import participation
from shared.messaging.unit_of_work import Transaction


async def fill_places(tx: Transaction, events: Iterable[tuple[Event, datetime]]) -> None:
    """Move people up where an event has room, as of a moment, and write how full it is then."""
    given = [(event, at, to_move_up(event)) for event, at in events]
    moving = [
        store.MoveUp(event.id, people, event.charge, at) for event, at, people in given if people
    ]
    after = [moved_up(event, people) for event, _, people in given]
    if moving:
        states = {event.id: event.state() for event in after}
        for row in await store.move_up(tx.connection, moving):
            fact = participation(row, states[row.event_id], None)
            tx.say(fact, key=row.subject_id, subject=row.subject_id)
    await store.keep_counts(tx.connection, after)
