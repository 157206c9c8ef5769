"""A registration is taken back: its place is free, and the next in line gets it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from services.registration import store
from services.registration.domain.events import Event, given_back
from services.registration.handlers.desk import Desk, Request, accept
from services.registration.handlers.lookup import Found, look_up
from services.registration.handlers.seats import fill_places
from shared.contract.inbound import CancellationRequested
from shared.contract.registration import RegistrationCancelled
from shared.contract.types import EventId
from shared.messaging.unit_of_work import Transaction


async def cancel(
    desk: Desk,
    tx: Transaction,
    requests: Sequence[Request[CancellationRequested]],
    held: Collection[bytes],
) -> None:
    """Take registrations back, no registration twice. `held` is for `look_up`."""
    found = await look_up(desk, tx, requests, held)
    if not found:
        return
    await store.cancel_registrations(
        tx.connection, [(one.registration.id, one.request.said_at) for one in found]
    )
    for one in found:
        _say(tx, one)
    await fill_places(tx, _left(found))


def _left(found: Sequence[Found[CancellationRequested]]) -> list[tuple[Event, datetime]]:
    """Each event after its places were given back, and the latest moment of that."""
    left: dict[EventId, tuple[Event, datetime]] = {}
    for one in found:
        event, at = left.get(one.event.id, (one.event, one.request.said_at))
        had_place = one.registration.status == "registered"
        after = given_back(event, places=int(had_place), in_line=int(not had_place))
        left[event.id] = (after, max(at, one.request.said_at))
    return list(left.values())


def _say(tx: Transaction, one: Found[CancellationRequested]) -> None:
    row = one.registration
    tx.say(
        RegistrationCancelled(
            registration_id=row.id,
            subject_id=row.subject_id,
            event=one.event.state(),
            cancelled_at=one.request.said_at,
            by="person",
        ),
        key=row.subject_id,
        subject=row.subject_id,
        because=one.request.message,
    )
    accept(tx, one.request)
