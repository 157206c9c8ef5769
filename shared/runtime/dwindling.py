"""Waiting for others to work something off, for as long as they do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

STANDS_FOR_S: Final = 30.0
"""Nothing was worked off for so long: then waiting brings nothing by itself."""


async def until_none_is_left(
    count: Callable[[], Awaitable[int]], *, every_s: float, stands_for_s: float = STANDS_FOR_S
) -> int:
    """Return once `count` gives 0, or the same for too long: how many are left, mostly 0."""
    clock = asyncio.get_running_loop().time
    before, since = None, clock()
    while True:
        left = await count()
        if left != before:
            before, since = left, clock()
        if left == 0 or clock() - since >= stands_for_s:
            return left
        await asyncio.sleep(every_s)
