"""What benchmarks stand on: one Kafka and one Postgres, migrated, and a way to fill topics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.load import Produced, announcements
from bench.registry import Results
from bench.servers import Servers
from services.cli.migration import migrate_everything
from shared.runtime.secrets import SecretsFolder

PLAN = Path(__file__).parents[1] / "plan.toml"
IN_FLIGHT = 5_000
LOOK_EVERY_S = 0.02

T = TypeVar("T")


@dataclass
class Ground:
    """Servers that run, and what is to be told of them."""

    bootstrap_servers: str
    database_url: str
    secrets: SecretsFolder
    registrations: int
    tell: Callable[[str], None]
    results: Results = field(init=False)
    _once: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.results = Results(self, self.tell)

    async def once(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        """What several benchmarks need is made by the first of them."""
        if name not in self._once:
            self._once[name] = await make()
        return self._once[name]  # type: ignore[return-value]  # made by the same function

    async def produce(self, records: Produced) -> int:
        """Publish records as fast as can be; how many they were."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap_servers, linger_ms=5, max_batch_size=256 * 1024
        )
        await producer.start()
        pending, many = [], 0
        try:
            for topic, key, value, headers in records:
                pending.append(await producer.send(topic, value=value, key=key, headers=headers))
                many += 1
                if len(pending) == IN_FLIGHT:
                    await asyncio.gather(*pending)
                    pending.clear()
            await asyncio.gather(*pending)
        finally:
            await producer.stop()
        return many

    async def announce(self) -> int:
        """Put the announcements of events into the topic."""
        return await self.produce(announcements())

    async def make_topic(self, name: str) -> None:
        """A topic of as many partitions as ours have."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, 8, 1)])
        finally:
            await admin.close()

    @asynccontextmanager
    async def watched(self, topic: str, partitions: int = 8) -> AsyncIterator[Watch]:
        """Ask how much is in a topic."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers)
        await consumer.start()
        try:
            yield Watch(consumer, [TopicPartition(topic, part) for part in range(partitions)])
        finally:
            await consumer.stop()


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at the end of a topic."""

    consumer: AIOKafkaConsumer
    partitions: list[TopicPartition]

    async def total(self) -> int:
        """Records acknowledged by the broker so far."""
        ends: dict[TopicPartition, int] = await self.consumer.end_offsets(self.partitions)
        return sum(ends.values())

    async def until(self, total: int, within_s: float = 600) -> float:
        """Wait until so many are there; when that was (`time.perf_counter`)."""
        async with asyncio.timeout(within_s):
            while await self.total() < total:  # noqa: ASYNC110 - Kafka tells nobody
                await asyncio.sleep(LOOK_EVERY_S)
        return time.perf_counter()


async def prepared(servers: Servers, registrations: int, tell: Callable[[str], None]) -> Ground:
    """Servers with everything that Steward needs on them."""
    tell("migrating")
    await migrate_everything(servers.database_url, servers.bootstrap_servers, servers.secrets, PLAN)
    return Ground(
        servers.bootstrap_servers, servers.database_url, servers.secrets, registrations, tell
    )
