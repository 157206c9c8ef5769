"""Where a service reads on, beside what the logs have: to look at, and to set after a gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer

from shared.messaging import store
from shared.messaging.offsets import bounds_of
from shared.messaging.places import Partition
from shared.messaging.transport import Bounds
from shared.runtime.database import Pool


@dataclass(frozen=True, slots=True)
class Position:
    """The stored position of one partition. All numbers are offsets or counts of messages.

    `next_offset` is as `in_no_log` makes it where the log is known to be another.
    """

    partition: Partition
    next_offset: int
    bounds: Bounds

    @property
    def gap(self) -> bool:
        """Whether the partition stands still: its log does not have what is to be read next."""
        return self.next_offset not in self.bounds

    @property
    def of_another_log(self) -> bool:
        """Whether the log, when the service looked, was not the one that it had read."""
        return self.next_offset < 0

    @property
    def was(self) -> int:
        """Up to where the service has read, be it of this log or of another."""
        return abs(self.next_offset)

    @property
    def lag(self) -> int:
        """Messages that the log has and the service has not taken."""
        first = self.bounds.start if self.gap else self.next_offset
        return self.bounds.end - first

    @property
    def lost(self) -> int | None:
        """Messages that were deleted before the service took them; None: nobody can know, since
        the log ends before the position, or did so when it was looked at, and is another one.
        """
        if self.of_another_log or self.next_offset > self.bounds.end:
            return None
        return max(0, self.bounds.start - self.next_offset)


async def list_positions(pool: Pool, reader: AIOKafkaConsumer) -> list[Position]:
    """Every position that the service of this pool has, by topic and partition."""
    async with pool.acquire() as connection:
        stored: Mapping[Partition, int] = await store.all_positions(connection)
    # After the tables, so that a service at work is not thought to be ahead of its log.
    bounds = await bounds_of(reader, stored.keys())
    return [Position(one, stored[one], bounds[one]) for one in sorted(stored)]


async def resume(pool: Pool, position: Position, offset: int) -> bool:
    """Have a partition that stands still read from this offset of its log; False: it has moved
    since it was looked at. A service that runs takes it up by itself (`Consumer.check_gaps`).
    """
    begins = {position.partition: position.next_offset}
    ends = {position.partition: offset}
    async with pool.acquire() as connection:
        begun = await store.begin(connection, begins, ends, {})
    return begun.whole
