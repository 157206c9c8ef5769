"""Messages that waited for an event, handled when it is announced."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from services.registration.domain.order import waves
from services.registration.handlers.desk import Desk, Request
from services.registration.handlers.events import cancel_events
from services.registration.handlers.followups import follow_up
from services.registration.handlers.ready import MadeReady
from services.registration.handlers.submit import submit
from services.registration.handlers.waiting import take_for_events
from shared.contract.inbound import EventCancellationRequested, RegistrationSubmitted
from shared.messaging.unit_of_work import Transaction


async def work_off(
    desk: Desk, tx: Transaction, references: Collection[bytes], made_ready: MadeReady
) -> int:
    """Handle what waits for these events, the oldest first; how many messages that were.

    More than one transaction should hold stays behind; whoever comes new waits behind it.
    """
    if not references:
        return 0
    requests = await take_for_events(desk, tx, references)
    for wave in waves(requests, key=lambda request: request.reference):
        await _work_off_wave(desk, tx, wave, made_ready)
    return len(requests)


async def _work_off_wave(
    desk: Desk, tx: Transaction, wave: Sequence[Request[Any]], made_ready: MadeReady
) -> None:
    submitted = [request for request in wave if isinstance(request.data, RegistrationSubmitted)]
    if submitted:
        await submit(desk, tx, submitted, made_ready)
    await follow_up(desk, tx, wave, made_ready.held)
    gone = [request for request in wave if isinstance(request.data, EventCancellationRequested)]
    if gone:
        await cancel_events(desk, tx, gone)
