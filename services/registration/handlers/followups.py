"""What comes after a registration: its answers change, or it is taken back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from services.registration.domain.order import waves
from services.registration.handlers.addresses import KnownBy
from services.registration.handlers.cancel import cancel
from services.registration.handlers.change import change
from services.registration.handlers.desk import Desk, Request
from shared.contract.inbound import CancellationRequested, RegistrationChanged
from shared.messaging.unit_of_work import Transaction


async def follow_up(
    desk: Desk,
    tx: Transaction,
    requests: Sequence[Request[Any]],
    held: Collection[bytes],
    known_by: Collection[KnownBy] = (),
) -> None:
    """Handle changes and cancellations; those of one registration in their order. `held` is for
    `look_up`; `known_by` are corrected addresses that lead to their people already.
    """
    for wave in waves(requests, key=lambda request: request.reference):
        changes = [request for request in wave if isinstance(request.data, RegistrationChanged)]
        if changes:
            await change(desk, tx, changes, held, known_by)
        taken_back = [
            request for request in wave if isinstance(request.data, CancellationRequested)
        ]
        if taken_back:
            await cancel(desk, tx, taken_back, held)
