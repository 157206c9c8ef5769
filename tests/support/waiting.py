"""Waiting for what another process does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], T | None], *, within_s: float = 60.0) -> T:
    """What `look` gives once it is neither None nor False; TimeoutError when that never comes."""
    async with asyncio.timeout(within_s):
        while True:
            if found := look():
                return found
            await asyncio.sleep(0.02)
