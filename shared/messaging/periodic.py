"""Work that time itself brings to a service, and not a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from shared.messaging.unit_of_work import Begin, Transaction
from shared.runtime.application import Loop
from shared.runtime.clock import utc_now
from shared.runtime.periodic import keep_trying

Work = Callable[[Transaction], Awaitable[int]]
"""One part of something that is to be done; how much it did, 0 where nothing was left."""


async def keep_working(begin: Begin, work: Work, interval_s: float, loop: Loop) -> None:
    """Do the work in parts, a transaction each, until nothing is left; then wait and look again."""

    async def do_a_part() -> bool:
        async with begin(now=utc_now()) as tx:
            return await work(tx) > 0

    await keep_trying(loop, do_a_part, interval_s)
