"""Waiting for what another process does."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

_WAITING: Final = (
    "select exists (select from pg_stat_activity"
    " where datname = current_database() and wait_event_type = 'Lock')"
)


async def somebody_waits(fetch: Callable[[str], Awaitable[object]]) -> bool:
    """Whether a connection to the database that `fetch` asks waits for a lock of another one."""
    return bool(await fetch(_WAITING))


async def until_somebody_waits(
    fetch: Callable[[str], Awaitable[object]], *, within_s: float = 30.0
) -> None:
    """Return as soon as one does: the server tells nobody. TimeoutError when that never comes."""
    async with asyncio.timeout(within_s):
        while not await somebody_waits(fetch):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)


async def eventually(look: Callable[[], T | None]) -> T:
    """What `look` gives once it is neither None nor False; TimeoutError when that never comes."""
    async with asyncio.timeout(60):
        while True:
            if found := look():
                return found
            await asyncio.sleep(0.02)


async def fetched(url: str) -> str:
    """What a server of this machine answers to GET."""

    def fetch() -> str:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
            text: str = answer.read().decode()
            return text

    return await asyncio.to_thread(fetch)
