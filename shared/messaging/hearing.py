"""Waits until a service has heard all that was said to some topics until a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from aiokafka.errors import KafkaError

from shared.messaging import store
from shared.messaging.offsets import bounds_of, open_reader
from shared.messaging.places import Partition
from shared.runtime.cluster import Cluster
from shared.runtime.database import Pool
from shared.runtime.log_ends import LogEnds, has_read

LISTENS_FOR_S: Final = 5.0
LOOK_EVERY_S: Final = 0.05

ANOTHER_LOG: Final = 2**63 - 1
"""Stands for the end of a log that ends before our position: whatever is said there now, we are not
hearing it (`steward positions list` shows the gap).
"""


async def log_ends(
    pool: Pool,
    cluster: Cluster,
    partitions: Collection[Partition],
    *,
    within_s: float = LISTENS_FOR_S,
) -> dict[str, dict[int, int]]:
    """Where these logs end, by topic and partition; returns once the service of the pool has read
    up to there, or does not within the time: whether it has is for the caller to see.

    Raises ConnectionError where Kafka does not answer.
    """
    before = await _positions(pool, partitions)
    try:
        async with open_reader(cluster) as reader:
            bounds = await bounds_of(reader, partitions)
    except (KafkaError, TimeoutError) as error:
        raise ConnectionError(
            "Kafka does not answer: nobody knows whether all objections and withdrawals are heard"
        ) from error
    ends = {
        partition: found.end if before.get(partition, 0) <= found.end else ANOTHER_LOG
        for partition, found in bounds.items()
    }
    by_topic: dict[str, dict[int, int]] = {}
    for (topic, number), end in ends.items():
        by_topic.setdefault(topic, {})[number] = end
    await _heard(pool, by_topic, within_s)
    return by_topic


async def _heard(pool: Pool, log_ends: LogEnds, within_s: float) -> None:
    running = asyncio.get_running_loop()
    until = running.time() + within_s
    while running.time() < until:
        async with pool.acquire() as connection:
            if await has_read(connection, log_ends):
                return
        await asyncio.sleep(LOOK_EVERY_S)


async def _positions(pool: Pool, partitions: Collection[Partition]) -> Mapping[Partition, int]:
    async with pool.acquire() as connection:
        return await store.positions(connection, partitions)
