"""What is at work in one process at the same time, and on which partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from shared.messaging.places import Partition


class AtWork:
    """Tasks of which no two touch the same partition."""

    def __init__(self, most: int) -> None:
        """`most`: with so many there is no room for another one."""
        self._most = most
        self._touched: dict[asyncio.Task[None], frozenset[Partition]] = {}

    def add(self, work: asyncio.Task[None], touches: Collection[Partition]) -> None:
        """It has begun, and nothing else touches any of these."""
        self._touched[work] = frozenset(touches)

    def tasks(self) -> Mapping[asyncio.Task[None], frozenset[Partition]]:
        """Those that have not ended, and the partitions that each of them touches."""
        for work in [work for work in self._touched if work.done()]:
            del self._touched[work]
            if not work.cancelled():
                work.exception()  # told already, where it could be: asyncio need not complain of it
        return dict(self._touched)

    def partitions(self) -> frozenset[Partition]:
        """All that are touched."""
        return frozenset[Partition]().union(*self.tasks().values())

    async def room_for(self, touches: Collection[Partition]) -> None:
        """Wait until nothing of these partitions is at work, nor too much of others."""
        while working := self.tasks():
            before = [work for work, touched in working.items() if not touched.isdisjoint(touches)]
            if before:
                await asyncio.wait(before)
            elif len(working) >= self._most:
                await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            else:
                return


async def cancel(task: asyncio.Task[None] | None) -> None:
    """Return once it has ended, if there is one."""
    if task is not None and not task.done():
        task.cancel()
        await asyncio.wait((task,))
