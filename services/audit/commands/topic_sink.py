"""A replay onto a topic, for a consumer whose inbox knows what it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.audit.domain.entries import StoredEntry, published, reading
from shared.contract.topics import TOPICS
from shared.messaging.producing import acknowledged, open_producer
from shared.runtime.cluster import Cluster


class Producer(Protocol):
    """What a replay needs of aiokafka's producer."""

    async def send(
        self,
        topic: str,
        value: bytes,
        *,
        partition: int,
        headers: Sequence[tuple[str, bytes]],
    ) -> asyncio.Future[object]:
        """Queue one record; the future is done when brokers have it."""
        ...


class TopicSink:
    """A topic: the records that the entries were made of, ids and bytes, so that a consumer that
    has them already knows them again.
    """

    def __init__(self, producer: Producer, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def write(self, entries: Sequence[StoredEntry]) -> None:
        """Publish, in order and so to one partition; done when brokers have all of it."""
        sent = []
        for entry in entries:
            with reading(entry):
                record = published(entry)
            sent.append(
                await self._producer.send(
                    self._topic, record.data, partition=0, headers=list(record.headers)
                )
            )
        await acknowledged(sent)


@asynccontextmanager
async def topic_sink(cluster: Cluster, name: str) -> AsyncIterator[TopicSink]:
    """Open the way to a topic that was made for it; typer.BadParameter where it was not.

    Raises ConnectionError where Kafka does not answer.
    """
    taken = {spec.name: spec.owner for spec in TOPICS if spec.name != "audit"}
    if name in taken:
        raise typer.BadParameter(
            f"{name} carries the messages of {taken[name]}: name a topic made for the replay",
            param_hint="--to-topic",
        )
    try:
        await _require(cluster, name)
        async with open_producer(cluster) as producer:
            yield TopicSink(producer, name)
    except KafkaError as error:
        raise ConnectionError("Kafka does not answer") from error


async def _require(cluster: Cluster, name: str) -> None:
    admin = AIOKafkaAdminClient(**cluster.client_options())
    await admin.start()
    try:
        if name not in await admin.list_topics():
            raise typer.BadParameter(
                "there is no topic of this name; make it first, with one partition",
                param_hint="--to-topic",
            )
    finally:
        await admin.close()
