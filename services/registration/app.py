"""Puts the registration service together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from services.registration.handlers import periodic
from services.registration.handlers.desk import SERVICE, Desk
from services.registration.settings import Settings
from services.registration.subscribers import subscriptions
from shared.assembly import Parts, open_parts
from shared.messaging.application import run_service
from shared.messaging.service import Service
from shared.messaging.unit_of_work import Transaction, unit_of_work
from shared.runtime.application import Loop, LoopFunction
from shared.runtime.clock import utc_now
from shared.runtime.database import is_transient
from shared.runtime.ids import new_id

NAME: Final = SERVICE

TRY_AGAIN_S: Final = 2.0

Work = Callable[[Desk, Transaction], Awaitable[int]]
"""One part of something that is to be done; how much it did, 0 where nothing was left."""

_WORK: Final[dict[str, Work]] = {
    "end-events": periodic.end_events,
    "clear-cancelled": periodic.clear_cancelled,
    "handle-ready": periodic.handle_ready,
    "expire-waiting": periodic.expire_waiting,
}


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """The service with its real parts."""
    async with open_parts(settings, service=NAME) as parts:
        desk = Desk(parts.privacy)
        loops: dict[str, LoopFunction] = {
            name: partial(keep_working, parts, partial(work, desk), settings.periodic_interval_s)
            for name, work in _WORK.items()
        }
        yield Service(NAME, settings, parts.pool, parts.privacy, subscriptions(desk), loops)


async def keep_working(
    parts: Parts, work: Callable[[Transaction], Awaitable[int]], interval_s: float, loop: Loop
) -> None:
    """Do the work in parts, a transaction each, until nothing is left; then wait and look again.

    A database that is away is waited for here: a loop that fails is started again after pauses
    that grow for as long as it is away, and then still lasts when it is back.
    """
    while not loop.stopping:
        loop.beat()
        try:
            async with unit_of_work(parts.pool, service=NAME, now=utc_now(), ids=new_id) as tx:
                done = await work(tx)
        except Exception as error:
            if not is_transient(error):
                raise
            loop.missing("the database does not answer")
            await loop.pause(min(interval_s, TRY_AGAIN_S))
            continue
        loop.ok()
        if not done:
            await loop.pause(interval_s)


async def run(settings: Settings) -> None:
    """Run until it is told to stop."""
    async with open_service(settings) as service:
        await run_service(service)
