"""While few messages come, those of a moment make one batch: it costs as much as dozens of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

from shared.contract.message import Record
from shared.messaging.places import Partition, partition_of
from shared.messaging.transport import Log

FULL_SHARE: Final = 0.5
"""Of the records that a batch may have. One with fewer is soon followed by another."""

PATIENCE_S: Final = 1.0
"""So long the next few records wait for those before them to end."""


class Gathering:
    """Knows whether few come to one consumer, and lets more of them come."""

    def __init__(self, at_least_s: float, most_records: int) -> None:
        """`at_least_s`: so long, or not at all (0)."""
        self._at_least_s = at_least_s
        self._full = int(most_records * FULL_SHARE)
        self._taken_to: dict[Partition, int] = {}

    def reads_on(self, partition: Partition, offset: int) -> None:
        """The next record to be taken of the partition is this one."""
        self._taken_to[partition] = offset

    def stands_still(self, partition: Partition) -> None:
        """Nothing is taken of the partition, whatever waits in it."""
        self._taken_to.pop(partition, None)

    def forget(self) -> None:
        """The partitions are another's."""
        self._taken_to.clear()

    def took(self, records: Sequence[Record]) -> None:
        """These were taken, those of a partition in order."""
        if self._at_least_s:
            self._taken_to.update((partition_of(one), one.offset + 1) for one in records)

    def few(self, taken: int, log: Log | None) -> bool:
        """Whether so many, and all that is known to wait in the log behind what was taken, would
        not be half a batch. A poll brings what was fetched at once: a few of many are not few.
        """
        if not self._at_least_s or taken >= self._full:
            return False
        waiting = 0 if log is None else log.waiting(self._taken_to)
        return taken + waiting < self._full

    async def let_come(self, working: Collection[asyncio.Task[None]]) -> None:
        """Return after a moment, and after as long as these few are at work and once more.

        So a service whose batches take long, since others need the processors too, has larger ones
        and is at work for half of the time at most. What does not end is not waited for.
        """
        clock = asyncio.get_running_loop().time
        began = clock()  # they begin now, however long they had to wait for room
        if working:
            await asyncio.wait(working, timeout=PATIENCE_S)
        took = clock() - began
        await asyncio.sleep(max(self._at_least_s - took, took))
