"""What the partitions of a cluster have, asked by whoever does not consume them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)

from shared.messaging.batches import read_any_names
from shared.messaging.places import Partition
from shared.messaging.transport import Bounds
from shared.runtime.cluster import Cluster

ANSWER_S: Final = 5.0
"""So long the broker may take for a question about offsets."""

_COORDINATOR_MOVES: Final = (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)

SILENT_S: Final = 60.0
"""So long Kafka may give or acknowledge nothing at all before a command gives it up: as it starts
anew it may.
"""


@asynccontextmanager
async def open_reader(cluster: Cluster) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer outside of any group: it asks and reads, and moves nobody's position. Logs end
    for it where the first transaction begins that is neither committed nor given up.

    Raises aiokafka's KafkaConnectionError when no broker answers.
    """
    read_any_names()
    reader = AIOKafkaConsumer(
        **cluster.client_options(), enable_auto_commit=False, isolation_level="read_committed"
    )
    try:
        await reader.start()
        # Let its tasks begin: aiokafka 0.14 raises from stop() what cancels one that never ran.
        await asyncio.sleep(0)
        yield reader
    finally:
        await reader.stop()


async def bounds_of(
    reader: AIOKafkaConsumer, partitions: Collection[Partition]
) -> dict[Partition, Bounds]:
    """Where each of these begins and ends. Raises TimeoutError after `ANSWER_S`."""
    asked = [TopicPartition(*one) for one in partitions]
    async with asyncio.timeout(ANSWER_S):
        await learn(reader, {topic for topic, _ in partitions})
        starts = await reader.beginning_offsets(asked)
        ends = await reader.end_offsets(asked)
    return {tuple(one): Bounds(starts[one], ends[one]) for one in asked}


@asynccontextmanager
async def open_admin(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    """Who asks what groups have read. Raises aiokafka's KafkaError when no broker answers."""
    admin = AIOKafkaAdminClient(**cluster.client_options(), request_timeout_ms=int(ANSWER_S * 1000))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def told_by_group(
    admin: AIOKafkaAdminClient, group: str, partitions: Collection[Partition]
) -> dict[Partition, int]:
    """The positions that Kafka was told of; 0: of none, or nobody has them at this moment."""
    asked = [TopicPartition(*one) for one in partitions]
    try:
        async with asyncio.timeout(ANSWER_S):
            found = await admin.list_consumer_group_offsets(group, partitions=asked)
    except _COORDINATOR_MOVES:
        found = {}
    return {tuple(one): max(0, found[one].offset) if one in found else 0 for one in asked}


async def learn(reader: AIOKafkaConsumer, topics: Collection[str]) -> None:
    """Have the reader ask where the partitions of all these topics are, once and for all of them.

    aiokafka 0.14 by itself, asked for offsets, comes to know one topic more with each try, and
    sleeps for a tenth of a second before the next: a second, for those that services hear.
    """
    client = reader._client  # noqa: SLF001 - no public way
    await asyncio.gather(*(client.add_topic(topic) for topic in topics))
