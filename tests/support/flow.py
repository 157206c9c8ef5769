"""One whole service between real Kafka and real Postgres, on topics of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from prometheus_client import generate_latest

from shared.contract.message import Record
from shared.contract.topics import TOPICS
from shared.messaging.application import compose
from shared.messaging.kafka import KafkaTransport
from shared.messaging.processing import Tools
from shared.messaging.service import Service
from shared.runtime.settings import ServiceSettings
from shared.runtime.topics import create_topics

Open = Callable[[Any], AbstractAsyncContextManager[Service]]


@dataclass(frozen=True)
class Flow:
    """A running service, what is sent to it, and what comes of it."""

    service: Service
    topics: Mapping[str, str]
    """The topic that a subscription is for, to the one that stands for it here."""

    @property
    def _servers(self) -> str:
        return self.service.settings.kafka_bootstrap_servers

    async def send(self, topic: str, records: Sequence[Record]) -> None:
        """Publish in order; the records' own topics and offsets do not count."""
        async with AIOKafkaProducer(bootstrap_servers=self._servers, acks="all") as producer:
            for record in records:
                await producer.send_and_wait(
                    self.topics[topic], record.value, key=record.key, headers=list(record.headers)
                )

    async def until(self, query: str, expected: object, *, within_s: float = 60) -> None:
        """Return once the query gives this value; TimeoutError with what it gave last."""
        last: object = None
        try:
            async with asyncio.timeout(within_s):
                while True:
                    last = await self.service.pool.fetchval(query)
                    if last == expected:
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise TimeoutError(f"{query}: {last!r}, not {expected!r}") from None

    async def facts(
        self, topic: str, keys: Collection[UUID], count: int
    ) -> list[ConsumerRecord[bytes, bytes]]:
        """So many facts with these keys. The topic is shared: others' facts are passed over."""
        wanted = {str(key).encode() for key in keys}
        found: list[ConsumerRecord[bytes, bytes]] = []
        async with (
            asyncio.timeout(60),
            AIOKafkaConsumer(
                topic, bootstrap_servers=self._servers, auto_offset_reset="earliest"
            ) as reader,
        ):
            while len(found) < count:
                record = await reader.getone()
                if record.key in wanted:
                    found.append(record)
        return found

    async def outcomes(self) -> dict[tuple[str, str], int]:
        """How many messages of each topic came to which outcome."""
        back = {own: topic for topic, own in self.topics.items()}
        rows = await self.service.pool.fetch(
            "select topic, outcome, sum(messages)::int as messages from outcome_count"
            " group by topic, outcome"
        )
        return {(back[row["topic"]], row["outcome"]): row["messages"] for row in rows}


@asynccontextmanager
async def flowing(
    open_service: Open, settings: ServiceSettings, make_topic: Callable[[str], Awaitable[str]]
) -> AsyncIterator[Flow]:
    """Run the service until the end of the block; what it says goes to its real topics."""
    await create_topics(settings.cluster, TOPICS)
    async with open_service(settings) as real:
        own = {one.topic: await make_topic(one.topic) for one in real.subscriptions}
        moved = [replace(one, topic=own[one.topic]) for one in real.subscriptions]
        service = replace(real, subscriptions=moved)
        async with process_of(service):
            yield Flow(service, own)


@asynccontextmanager
async def process_of(service: Service) -> AsyncIterator[None]:
    """What a process of the service does, until the end of the block."""
    application = compose(service, KafkaTransport(service.settings), Tools())
    running = asyncio.create_task(application.run())
    try:
        yield
    finally:
        application.stop()
        await running


async def everything_kept(database: str, schema: str) -> str:
    """All rows of a service's tables as text; bytes as hexadecimal digits."""
    connection = await asyncpg.connect(database)
    try:
        tables = await connection.fetch(
            "select tablename from pg_tables where schemaname = $1", schema
        )
        texts = [
            await connection.fetchval(
                f"select string_agg(t::text, '') from {schema}.{table['tablename']} as t"  # noqa: S608 - names of our own tables
            )
            for table in tables
        ]
    finally:
        await connection.close()
    return "".join(text or "" for text in texts)


def all_metrics() -> str:
    """What /metrics would show."""
    return generate_latest().decode()


def assert_silent(canary: str, *outputs: str | bytes) -> None:
    """No output holds the canary, in whichever case, nor its bytes as hexadecimal digits."""
    for output in outputs:
        text = output if isinstance(output, str) else output.decode(errors="replace")
        assert canary.lower() not in text.lower()
        assert canary.encode().hex() not in text
        assert canary.lower().encode().hex() not in text
