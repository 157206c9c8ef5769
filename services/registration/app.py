"""Puts the registration service together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from services.registration.handlers import periodic
from services.registration.handlers.by_hand import ByHand
from services.registration.handlers.delivering import deliveries_of
from services.registration.handlers.desk import SERVICE, Desk
from services.registration.handlers.expiring import Expiry, ends_of_what_announces
from services.registration.settings import Settings
from services.registration.subscribers import subscriptions
from shared.assembly import open_parts
from shared.messaging.hearing import LISTENS_BRIEFLY_S
from shared.messaging.periodic import keep_working
from shared.messaging.service import Service
from shared.messaging.unit_of_work import Transaction
from shared.privacy.deliveries import Deliveries
from shared.runtime.actor import actor
from shared.runtime.application import LoopFunction

NAME: Final = SERVICE

Work = Callable[[Desk, Transaction], Awaitable[int]]
"""One part of something that is to be done; how much it did, 0 where nothing was left."""

_WORK: Final[dict[str, Work]] = {
    "end-events": periodic.end_events,
    "clear-cancelled": periodic.clear_cancelled,
    "handle-ready": periodic.handle_ready,
}


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """The service with its real parts."""
    async with open_parts(settings, service=NAME) as parts:
        desk = Desk(parts.privacy)
        loops: dict[str, LoopFunction] = {
            name: partial(
                keep_working, parts.work, partial(work, desk), settings.periodic_interval_s
            )
            for name, work in _WORK.items()
        }
        expiry = Expiry(parts.work, partial(ends_of_what_announces, parts.pool, settings.cluster))
        loops["expire-waiting"] = partial(expiry.run, settings.periodic_interval_s)
        deliveries = deliveries_of(
            parts, settings, actor=f"service:{NAME}", within_s=LISTENS_BRIEFLY_S
        )
        loops["deliveries"] = partial(deliveries.run, settings.periodic_interval_s)
        yield parts.service(settings, subscriptions(desk), loops)


@asynccontextmanager
async def open_deliveries(settings: Settings, output: Path | None) -> AsyncIterator[Deliveries]:
    """What was disclosed and waits, for whoever is at the command line: into `output` or, without
    one, the folder.
    """
    async with open_parts(settings, service=NAME) as parts:
        deliveries = deliveries_of(parts, settings, actor=actor())
        if output is not None:
            deliveries = replace(deliveries, by_hand=ByHand(Desk(parts.privacy), output))
        yield deliveries
