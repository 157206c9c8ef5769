"""Work that time itself brings to a service, and not a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from shared.messaging.unit_of_work import Begin, Transaction
from shared.runtime.application import Loop
from shared.runtime.clock import utc_now
from shared.runtime.database import is_transient
from shared.runtime.unavailable import UnavailableError

TRY_AGAIN_S: Final = 2.0

Work = Callable[[Transaction], Awaitable[int]]
"""One part of something that is to be done; how much it did, 0 where nothing was left."""


async def keep_working(begin: Begin, work: Work, interval_s: float, loop: Loop) -> None:
    """Do the work in parts, a transaction each, until nothing is left; then wait and look again.

    A database that is away is waited for here: a loop that fails is started again after pauses
    that grow for as long as it is away, and then still lasts when it is back.
    """
    while not loop.stopping:
        loop.beat()
        try:
            async with begin(now=utc_now()) as tx:
                done = await work(tx)
        except Exception as error:
            if not is_transient(error):
                raise
            if isinstance(error, UnavailableError):
                loop.missing(str(error))
            else:
                loop.missing("the database does not answer")
            await loop.pause(min(interval_s, TRY_AGAIN_S))
            continue
        loop.ok()
        if not done:
            await loop.pause(interval_s)
