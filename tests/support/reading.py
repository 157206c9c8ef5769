"""A consumer without a transport: a test hands it what it is to take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from shared.messaging.consumer import Consumer
from shared.messaging.manner import ALL_AT_ONCE, Manner
from shared.messaging.places import Partition
from shared.messaging.transport import Bounds
from shared.runtime.health import Heartbeats
from tests.support.messaging import World


async def reading(
    world: World, log: StillLog, *, partitions: int = 1, manner: Manner = ALL_AT_ONCE
) -> Consumer:
    """A consumer that was given the first partitions, and knows where to read on."""
    transport = world.cluster.transport(world.service.settings)
    consumer = Consumer(
        world.service,
        transport,
        Heartbeats(),
        inbox_key=b"k" * 32,
        tools=world.tools(),
        manner=manner,
    )
    consumer.assigned(log, [(world.inbound, number) for number in range(partitions)])
    await log.sought.wait()
    return consumer


@asynccontextmanager
async def held(world: World, partition: int) -> AsyncIterator[None]:
    """Lets a batch of the partition wait."""
    async with world.admin.acquire() as connection, connection.transaction():
        query = "select from position where partition = $1 for update"
        await connection.execute(query, partition)
        yield


class StillLog:
    """Partitions that nothing is read from; says when it was told where to read, and keeps what
    Kafka would be told.
    """

    def __init__(self) -> None:
        self.sought = asyncio.Event()
        self.committed: list[Mapping[Partition, int]] = []
        self.ends: dict[Partition, int] = {}
        """What is known of ends of partitions."""
        self.past: dict[Partition, int] = {}
        """Where reading goes on behind what is never handed over."""

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, Bounds]:
        return {partition: Bounds(0, 100) for partition in partitions}

    async def offsets_at(
        self, moment: datetime, partitions: Collection[Partition]
    ) -> Mapping[Partition, int]:
        return dict.fromkeys(partitions, 0)

    def waiting(self, positions: Mapping[Partition, int]) -> int:
        return sum(max(0, self.ends.get(one, 0) - at) for one, at in positions.items())

    async def past_markers(self, positions: Mapping[Partition, int]) -> Mapping[Partition, int]:
        return {one: self.past[one] for one in positions.keys() & self.past}

    def seek(self, partition: Partition, offset: int) -> None:
        self.sought.set()

    def pause(self, partition: Partition) -> None:
        """Nothing is read anyway."""

    async def commit(self, offsets: Mapping[Partition, int]) -> bool:
        self.committed.append(offsets)
        return True


class OnceReachedLog(StillLog):
    """Kafka answers no more once it was told where to read on."""

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, Bounds]:
        if self.sought.is_set():
            raise TimeoutError
        return await super().bounds(partitions)
