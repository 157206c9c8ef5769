"""Waits until all is heard that was said to some topics until a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.contract.services import service_named
from shared.messaging import store
from shared.messaging.manner import URGENT, group_of
from shared.messaging.offsets import bounds_of, open_admin, open_reader, told_by_group
from shared.messaging.places import Partition, partitions_of
from shared.runtime.cluster import Cluster
from shared.runtime.database import Pool
from shared.runtime.log_ends import LogEnds, has_read

LISTENS_FOR_S: Final = 8.0
"""A command. Where all is well a service comes so far within six: up to five until it has passed
the end of a transaction (`Maintenance`), and one until it has told Kafka of it.
"""

LISTENS_BRIEFLY_S: Final = 3.0
"""A loop of a service, which looks again soon: readiness and a stop wait for it as long."""

LOOK_EVERY_S: Final = 0.05

Groups: TypeAlias = Mapping[str, Sequence[Partition]]
"""What is read in each consumer group."""

_NOBODY_KNOWS: Final = (
    "Kafka does not answer: nobody knows whether all objections and withdrawals are heard"
)

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
        raise ConnectionError(_NOBODY_KNOWS) from error
    ends = {
        partition: found.end if before.get(partition, 0) <= found.end else ANOTHER_LOG
        for partition, found in bounds.items()
    }
    by_topic: dict[str, dict[int, int]] = {}
    for (name, number), end in ends.items():
        by_topic.setdefault(name, {})[number] = end
    await _heard(pool, by_topic, within_s)
    return by_topic


def groups_of(service: str, *topics: str) -> Groups:
    """The consumer groups in which a service reads these topics. Pure."""
    urgent = service_named(service).urgent
    found: dict[str, list[Partition]] = {}
    for name in topics:
        group = group_of(service, URGENT if name in urgent else "")
        found.setdefault(group, []).extend(partitions_of(name))
    return found


async def passed_on(cluster: Cluster, groups: Groups, *, within_s: float = LISTENS_FOR_S) -> bool:
    """Whether another service has read all of this up to where it ends now, and Kafka has what was
    said of that; returns as soon as it is so. Nobody asks its database: it tells Kafka how far it
    is (`told.py`).

    Raises ConnectionError where Kafka does not answer.
    """
    clock = asyncio.get_running_loop().time
    try:
        async with open_admin(cluster) as admin, open_reader(cluster) as reader:
            # First: what is told beyond the end of a log was told of another one.
            told = await _told(admin, groups)
            bounds = await bounds_of(reader, told.keys())
            if any(told[one] > found.end for one, found in bounds.items()):
                return False
            until = clock() + within_s
            while any(told[one] < found.end for one, found in bounds.items()):
                if clock() > until:
                    return False
                await asyncio.sleep(LOOK_EVERY_S)
                told = await _told(admin, groups)
    except (KafkaError, TimeoutError) as error:
        raise ConnectionError(_NOBODY_KNOWS) from error
    return True


async def _told(admin: AIOKafkaAdminClient, groups: Groups) -> dict[Partition, int]:
    told: dict[Partition, int] = {}
    for group, partitions in groups.items():
        told |= await told_by_group(admin, group, partitions)
    return told


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
