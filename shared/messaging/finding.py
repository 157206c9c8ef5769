"""Finds where to read on: the stored positions, and whether the logs have them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final

import structlog

from shared.messaging import store
from shared.messaging.places import Partition, in_no_log
from shared.messaging.transport import Bounds, Log
from shared.runtime.database import Pool, bounded_transaction, describe

FIRST_BACK_OFF_S: Final = 0.05
LONGEST_BACK_OFF_S: Final = 2.0

Found = Mapping[Partition, tuple[int, Bounds]]
"""The stored position of each partition, and what its log has."""

_log = structlog.get_logger(__name__)


class PositionFinder:
    """Asks the database for positions and Kafka for what it has; each question takes `limit_s` at
    most.
    """

    def __init__(self, pool: Pool, limit_s: float) -> None:
        self._pool = pool
        self._limit_s = limit_s

    async def until_found(
        self, log: Log, partitions: Collection[Partition], waits: Callable[[], None]
    ) -> Found:
        """Ask until both answer; `waits` is called after each time that they did not."""
        back_off_s = FIRST_BACK_OFF_S
        while True:
            try:
                return await self.find(log, partitions)
            except Exception as error:  # noqa: BLE001 - nothing can be read until this succeeds
                _log.warning("positions cannot be read yet", **describe(error))
                waits()
                await asyncio.sleep(back_off_s)
                back_off_s = min(back_off_s * 2, LONGEST_BACK_OFF_S)

    async def find(self, log: Log, partitions: Collection[Partition]) -> Found:
        """Stored positions and what the logs have. Where there is none yet: the log's beginning.

        Another process may still be at work on them: what looks like a gap is one only if its
        position has stayed where it was. A log that ends before it is another one, and is noted as
        such: when it has grown past the position, nothing would tell any more. The position is
        kept: it may be the log of another Kafka, which somebody named by mistake.
        """
        before: Mapping[Partition, int] = {}
        while True:
            async with bounded_transaction(self._pool, self._limit_s) as connection:
                stored = await store.positions(connection, partitions)
            bounds = await log.bounds(partitions)
            new = {p: bounds[p].start for p in partitions if p not in stored}
            if new:
                async with bounded_transaction(self._pool, self._limit_s) as connection:
                    await store.begin_positions(connection, new)
                continue
            if all(stored[p] in bounds[p] or stored[p] == before.get(p) for p in partitions):
                other = {p: stored[p] for p in partitions if stored[p] > bounds[p].end}
                if not other:
                    return {p: (stored[p], bounds[p]) for p in partitions}
                async with bounded_transaction(self._pool, self._limit_s) as connection:
                    noted = {p: in_no_log(position) for p, position in other.items()}
                    await store.begin(connection, other, noted, {})
            before = stored
