"""Long work in Python, cut up so that others in the same event loop have their turn between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")


async def in_turns(items: Sequence[T], most: int) -> AsyncIterator[Sequence[T]]:
    """At most so many of the items at once, in order; whoever is ready runs after each part."""
    for first in range(0, len(items), most):
        yield items[first : first + most]
        await asyncio.sleep(0)
