"""What time brings: events end, messages have waited long enough, large work goes on in parts.

Each function does one part in the transaction that it is given and says how much it did.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from services.registration import store
from services.registration.domain.events import Event, ended
from services.registration.handlers.backlog import work_off
from services.registration.handlers.desk import Desk
from services.registration.handlers.events import clear_registrations, known_events
from services.registration.handlers.followups import follow_up
from services.registration.handlers.ready import make_waiting_ready
from services.registration.handlers.waiting import take_for_registrations
from shared.contract.registration import EventEnded, RegistrationRejected, RejectionReason
from shared.messaging.unit_of_work import Transaction
from shared.runtime.log_ends import LogEnds, has_read

LONGEST_WAIT: Final = timedelta(days=1)
"""How long a message waits for the event or the registration that it names."""

MOST_EVENTS: Final = 50
MOST_EXPIRED: Final = 1_000


async def end_events(desk: Desk, tx: Transaction) -> int:
    """Say once of each event whose end has passed that it is over."""
    del desk
    due = await store.events_to_end(tx.connection, tx.now, MOST_EVENTS)
    over: dict[bytes, Event] = {}
    if due:
        await store.lock_events(tx.connection, due)
        for reference, row in (await store.events_by_reference(tx.connection, due)).items():
            event = ended(row.event, tx.now)
            if event != row.event:
                over[reference] = event
                tx.say(EventEnded(event=event.state()), key=event.id, subject=event.id)
    if over:
        await store.keep_events(tx.connection, over, tx.now)
    return len(over)


async def clear_cancelled(desk: Desk, tx: Transaction) -> int:
    """Go on cancelling the registrations of a large event that the organiser cancelled."""
    del desk
    due = await store.events_to_clear(tx.connection, MOST_EVENTS)
    if due:
        await clear_registrations(tx, await known_events(tx, due))
    return len(due)


async def handle_ready(desk: Desk, tx: Transaction) -> int:
    """Handle messages whose event or registration is known by now: a backlog too large for one
    transaction, or what came in two partitions at the same moment.
    """
    events = await store.ready_events(tx.connection, 1)
    made_ready = await make_waiting_ready(desk, tx, events)
    await store.lock_events(tx.connection, events)
    handled = await work_off(desk, tx, events, replace(made_ready, held=events))
    if handled:
        return handled
    registrations = await store.ready_registrations(tx.connection, MOST_EVENTS)
    if not registrations:
        return 0
    locks = await store.events_of_registrations(tx.connection, registrations)
    await store.lock_events(tx.connection, locks)
    requests = await take_for_registrations(desk, tx, registrations)
    await follow_up(desk, tx, requests, locks)
    return len(requests)


async def anything_waited_long_enough(tx: Transaction) -> bool:
    """Whether `expire_waiting` may have anything to do."""
    return await store.any_waited_since(tx.connection, tx.now - LONGEST_WAIT)


async def expire_waiting(tx: Transaction, log_ends: LogEnds) -> int:
    """Decline what has waited for a day: nobody announced the event, nobody registered.

    `log_ends` are those of the topic that would say it, as they were a moment ago. While this
    service has not read up to there, it may only not have heard of it: an answer is for good.
    """
    if not await has_read(tx.connection, log_ends):
        return 0
    expired = await store.take_expired(tx.connection, tx.now - LONGEST_WAIT, MOST_EXPIRED)
    numbers = []
    for row in expired:
        reason: RejectionReason = (
            "registration_unknown" if row.awaited_registration else "event_unknown"
        )
        rejected = RegistrationRejected.model_validate(
            {
                "reason": reason,
                "request": row.request,
                "source": row.source,
                "rejected_at": tx.now,
            }
        )
        tx.say(rejected, key=None)
        tx.settle(row.topic, row.partition, "refused")
        if row.registration is not None:
            numbers.append(store.Declined(row.registration, None, reason, tx.now))
    await store.add_declined(tx.connection, numbers)
    return len(expired)
