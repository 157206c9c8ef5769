"""Work that is done again and again, and waits for what it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from shared.runtime.application import Loop
from shared.runtime.database import is_transient
from shared.runtime.unavailable import UnavailableError

TRY_AGAIN_S: Final = 2.0
"""At most so long until what was away is looked for again."""

DATABASE_AWAY: Final = "the database does not answer"


async def keep_trying(
    loop: Loop, do: Callable[[], Awaitable[bool]], interval_s: float, *, away: str = DATABASE_AWAY
) -> None:
    """Do a part of some work, and again at once while there was something to do; else after a
    pause, until the process is to stop.

    What is away is waited for here, and readiness says so, by its own words or as `away`: a loop
    that fails is started again after pauses that grow for as long as it is away, and then still
    lasts when it is back.
    """
    while not loop.stopping:
        loop.beat()
        try:
            done = await do()
        except Exception as error:
            if not is_transient(error):
                raise
            loop.missing(str(error) if isinstance(error, UnavailableError) else away)
            await loop.pause(min(interval_s, TRY_AGAIN_S))
            continue
        loop.ok()
        if not done:
            await loop.pause(interval_s)
