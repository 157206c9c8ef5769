"""Waiting for what another process does."""

from __future__ import annotations

import asyncio
import urllib.request
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


async def fetched(url: str) -> str:
    """What a server of this machine answers to GET."""

    def fetch() -> str:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
            text: str = answer.read().decode()
            return text

    return await asyncio.to_thread(fetch)
