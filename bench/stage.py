"""One Kafka and one Postgres, migrated, and a way to fill and to watch their topics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.load import Produced
from bench.servers import Servers
from services.cli.migration import migrate_everything
from shared.contract.topics import topic as spec_of
from shared.runtime.cluster import Cluster
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings

PLAN = Path(__file__).parents[1] / "plan.toml"
PARTITIONS = 8
IN_FLIGHT = 5_000
LOOK_EVERY_S = 0.1
WITHIN_S = 1_800.0

T = TypeVar("T")
S = TypeVar("S", bound=ServiceSettings)
Offsets = Mapping[TopicPartition, int]


@dataclass
class Stage:
    """Servers that run. `serial` numbers people: nobody registers twice."""

    bootstrap_servers: str
    database_url: str
    secrets: SecretsFolder
    folder: Path
    serial: int = 0
    _once: dict[str, object] = field(default_factory=dict)

    @property
    def cluster(self) -> Cluster:
        """Its Kafka."""
        return Cluster(self.bootstrap_servers)

    def settings(self, kind: type[S], **more: object) -> S:
        """A service's, for these servers."""
        given = {
            "kafka_bootstrap_servers": self.bootstrap_servers,
            "database_url": self.database_url,
            "secrets": self.secrets.path,
            "plan": PLAN,
        }
        return kind.model_validate(given | more)

    async def once(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        """What several benchmarks need is made by the first of them."""
        if name not in self._once:
            self._once[name] = await make()
        return self._once[name]  # type: ignore[return-value]  # made by the same function

    def next_serials(self, many: int) -> int:
        """The first of so many serial numbers that nobody had yet."""
        first, self.serial = self.serial, self.serial + many
        return first

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

    async def make_topic(self, name: str) -> None:
        """A topic of as many partitions as ours have; nothing happens where it exists."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
        finally:
            await admin.close()

    async def ends(self, topic: str) -> Offsets:
        """Where a topic ends now."""
        async with self.watched(topic) as watch:
            return await watch.ends()

    async def begin_group(self, group: str, offsets: Offsets) -> None:
        """Let a consumer group begin here, and not with what is in the topic from before."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers, group_id=group)
        await consumer.start()
        try:
            consumer.assign(list(offsets))
            await consumer.commit(dict(offsets))
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def watched(self, topic: str) -> AsyncIterator[Watch]:
        """Ask how much is in a topic."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers)
        await consumer.start()
        try:
            yield Watch(
                consumer, [TopicPartition(topic, part) for part in range(_partitions(topic))]
            )
        finally:
            await consumer.stop()


def _partitions(topic: str) -> int:
    try:
        return spec_of(topic).partitions
    except KeyError:
        return PARTITIONS


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at the end of a topic."""

    consumer: AIOKafkaConsumer
    partitions: Collection[TopicPartition]

    async def ends(self) -> Offsets:
        """Where each partition ends."""
        ends: dict[TopicPartition, int] = await self.consumer.end_offsets(list(self.partitions))
        return ends

    async def total(self) -> int:
        """Records acknowledged by the broker so far."""
        return sum((await self.ends()).values())

    async def until(self, total: int, within_s: float = WITHIN_S) -> float:
        """Wait until so many are there; when that was (`time.perf_counter`).

        TimeoutError says how far it came.
        """
        ends_at = time.perf_counter() + within_s
        while (there := await self.total()) < total:
            if time.perf_counter() > ends_at:
                raise TimeoutError(f"{there} of {total} records after {within_s:.0f} s")
            await asyncio.sleep(LOOK_EVERY_S)
        return time.perf_counter()


async def prepared(servers: Servers) -> Stage:
    """Servers with everything that Steward needs on them."""
    stage = Stage(servers.bootstrap_servers, servers.database_url, servers.secrets, servers.folder)
    await migrate_everything(stage.database_url, stage.cluster, stage.secrets, PLAN)
    return stage
