"""Kafka for tests of messaging: the session's real one, or the substitute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaProducer

from shared.messaging.kafka import KafkaTransport
from shared.messaging.transport import Transport
from shared.runtime.settings import ServiceSettings
from tests.support.memory import MemoryBroker, MemoryTransport
from tests.support.topics import read_topic

PARTITIONS = 4
Do = Literal["write", "fail", "fail_late", "mark", "stray", "decline", "wait"]
"""How the handler of the tests is to behave."""


@dataclass(frozen=True)
class Sent:
    """A message as upstream sends it. `partition` None: as its key says."""

    key: str | None
    number: int
    do: Do = "write"
    kind: str = "Told"
    id: str | None = None
    body: bytes | None = None
    partition: int | None = None
    trace: str | None = None

    @property
    def value(self) -> bytes:
        return (
            orjson.dumps({"number": self.number, "do": self.do}) if self.body is None else self.body
        )

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        identity = self.id or f"{self.key}-{self.number}"
        trace = [] if self.trace is None else [("traceparent", self.trace.encode())]
        return [
            *trace,
            ("ce_specversion", b"1.0"),
            ("ce_id", identity.encode()),
            ("ce_source", b"https://tests.example.org/"),
            ("ce_type", self.kind.encode()),
            ("ce_time", b"2026-11-20T12:00:00Z"),
            ("content-type", b"application/json"),
        ]


class Cluster(Protocol):
    """What a test does to Kafka itself."""

    def transport(self, settings: ServiceSettings) -> Transport: ...
    async def topic(self, hint: str) -> str: ...
    async def send(self, topic: str, messages: Iterable[Sent]) -> None: ...
    async def read(self, topic: str) -> list[Any]: ...
    async def delete_before(self, topic: str, partition: int, offset: int) -> None: ...


class MemoryCluster:
    """The substitute."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()

    def transport(self, settings: ServiceSettings) -> Transport:
        return MemoryTransport(self.broker, batch_max_records=settings.batch_max_records)

    async def topic(self, hint: str) -> str:
        name = f"{hint}-{uuid4().hex[:8]}"
        self.broker.create_topic(name, PARTITIONS)
        return name

    async def send(self, topic: str, messages: Iterable[Sent]) -> None:
        for one in messages:
            key = None if one.key is None else one.key.encode()
            await self.broker.append(topic, key, one.value, one.headers, one.partition)

    async def read(self, topic: str) -> list[Any]:
        return list(self.broker.records(topic))

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        self.broker.log_of((topic, partition)).delete_before(offset)


class KafkaCluster:
    """The session's Kafka, with topics of the test's own."""

    def __init__(self, servers: str, make_topic: Callable[..., Awaitable[str]]) -> None:
        self._servers = servers
        self._make_topic = make_topic

    def transport(self, settings: ServiceSettings) -> Transport:
        return KafkaTransport(settings)

    async def topic(self, hint: str) -> str:
        return await self._make_topic(hint, partitions=PARTITIONS)

    async def send(self, topic: str, messages: Iterable[Sent]) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self._servers, acks="all") as producer:
            await _deliver(producer, topic, messages)

    async def send_in_transaction(
        self, topic: str, messages: Iterable[Sent], *, give_up: bool = False
    ) -> None:
        """Send them as a transaction, whose end takes an offset of its own in each partition."""
        async with self.transaction(topic, messages, give_up=give_up):
            pass

    @asynccontextmanager
    async def transaction(
        self, topic: str, messages: Iterable[Sent], *, give_up: bool = False
    ) -> AsyncIterator[None]:
        """They are with Kafka, and the transaction is open."""
        async with AIOKafkaProducer(
            bootstrap_servers=self._servers, transactional_id=f"tests-{uuid4().hex[:8]}"
        ) as producer:
            await producer.begin_transaction()
            await _deliver(producer, topic, messages)
            yield
            await (producer.abort_transaction() if give_up else producer.commit_transaction())

    async def read(self, topic: str) -> list[Any]:
        return await read_topic(self._servers, topic, PARTITIONS)

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        settings = ServiceSettings(
            kafka_bootstrap_servers=self._servers, database_url="postgresql://localhost/none"
        )
        await KafkaTransport(settings).delete_before({(topic, partition): offset})


async def _deliver(producer: AIOKafkaProducer, topic: str, messages: Iterable[Sent]) -> None:
    deliveries = [
        await producer.send(
            topic,
            one.value,
            key=None if one.key is None else one.key.encode(),
            headers=one.headers,
            partition=one.partition,
        )
        for one in messages
    ]
    await asyncio.gather(*deliveries)
