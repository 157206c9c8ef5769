"""Batches that take too long, and partitions that are taken away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from shared.contract.message import Message
from shared.messaging.consumer import Consumer
from shared.messaging.places import Partition
from shared.messaging.transport import Bounds
from shared.runtime.health import Heartbeats
from tests.conftest import SettingsFactory
from tests.support.clusters import MemoryCluster, Sent
from tests.support.messaging import SCHEMA, World, open_world, until


@pytest.fixture
async def world(database: str, service_settings: SettingsFactory) -> AsyncIterator[World]:
    settings = service_settings(
        SCHEMA, kafka_bootstrap_servers="127.0.0.1:1", session_timeout_ms=2000
    )
    async with open_world(MemoryCluster(), database, settings) as opened:
        yield opened


async def test_a_batch_that_does_not_end_is_rolled_back_when_its_partitions_go_elsewhere(
    world: World,
) -> None:
    stuck, released = asyncio.Event(), asyncio.Event()

    async def hang(messages: Sequence[Message[Any]]) -> None:
        if not stuck.is_set():
            stuck.set()
            await released.wait()

    world.before_handling = hang
    await world.send(*(Sent(f"key-{n}", n) for n in range(20)))
    async with world.running():
        await stuck.wait()
        async with world.running():
            await world.settled(20)
        assert not released.is_set()
    assert await world.effects() == {f"key-{n}": [n] for n in range(20)}
    assert await world.outcomes() == {"accepted": 20}


async def test_a_batch_that_is_too_much_for_the_time_limit_is_halved(world: World) -> None:
    async def take_too_long(messages: Sequence[Message[Any]]) -> None:
        if len(messages) > 5:
            raise TimeoutError

    world.before_handling = take_too_long
    await world.send(*(Sent(f"key-{n}", n) for n in range(40)))
    async with world.running() as process:
        await world.settled(40)

        async def ready() -> bool:
            return not process.heartbeats.not_ready()

        await until(ready)
    assert await world.outcomes() == {"accepted": 40}


async def test_a_batch_that_cannot_even_be_set_aside_waits_and_is_told(world: World) -> None:
    await world.admin.execute("alter table dead_letter add constraint broken check (false)")
    await world.send(Sent("a", 1, "fail"))
    async with world.running() as process:

        async def told() -> bool:
            return "set aside" in process.heartbeats.not_ready().get("batch", "")

        await until(told)
        assert await world.outcomes() == {}
        await world.admin.execute("alter table dead_letter drop constraint broken")
        await world.taken(1)
    assert await world.outcomes() == {"dead_letter": 1}


async def test_what_was_fetched_before_reading_began_anew_is_not_handled(world: World) -> None:
    """It may begin beyond the stored position, and what lies between would be skipped."""
    await world.send(*(Sent("a", number, partition=0) for number in range(5)))
    records = await world.cluster.read(world.inbound)
    log = StillLog()
    consumer = await reading(world, log)
    consumer.polled()
    await consumer.revoked()
    log.sought.clear()
    consumer.assigned(log, [(world.inbound, 0)])
    await log.sought.wait()
    await consumer.take(records[3:])
    assert await world.effects() == {}
    consumer.polled()
    await consumer.take(records)
    await consumer.revoked()
    assert await world.effects() == {"a": [0, 1, 2, 3, 4]}


async def test_nothing_begins_any_more_once_partitions_are_being_taken_away(world: World) -> None:
    """What is polled then stands behind what was decoded and does not begin."""
    await world.send(*(Sent("a", number, partition=0) for number in range(5)))
    await world.send(Sent("b", 0, partition=1))
    records = [one for one in await world.cluster.read(world.inbound) if one.partition == 0]
    others = [one for one in await world.cluster.read(world.inbound) if one.partition == 1]
    consumer = await reading(world, StillLog(), partitions=2)
    consumer.polled()
    async with held(world, 1):
        async with held(world, 0):
            await consumer.take(records[:3])
            await consumer.take(others)
            behind = asyncio.create_task(consumer.take(records[3:4]))
            await asyncio.sleep(0)
            revoking = asyncio.create_task(consumer.revoked())
            await asyncio.sleep(0)
            consumer.polled()
            after = asyncio.create_task(consumer.take(records[4:]))
            await asyncio.sleep(0)
        await asyncio.gather(behind, after)  # there is room, while the other batch is at work
        assert not revoking.done()
    await revoking
    await consumer.revoked()
    assert await world.effects() == {"a": [0, 1, 2], "b": [0]}


@asynccontextmanager
async def held(world: World, partition: int) -> AsyncIterator[None]:
    """Lets a batch of the partition wait."""
    async with world.admin.acquire() as connection, connection.transaction():
        query = "select from position where partition = $1 for update"
        await connection.execute(query, partition)
        yield


async def test_what_waits_behind_a_batch_that_is_given_up_does_not_begin(world: World) -> None:
    await world.send(*(Sent("a", number, partition=0) for number in range(5)))
    records = await world.cluster.read(world.inbound)
    consumer = await reading(world, StillLog())
    consumer.polled()
    async with world.admin.acquire() as connection, connection.transaction():
        await connection.execute("update position set next_offset = 1")  # another process
        await consumer.take(records[:3])
        behind = asyncio.create_task(consumer.take(records[3:]))
    await behind
    await consumer.revoked()
    assert await world.effects() == {}


async def reading(world: World, log: StillLog, *, partitions: int = 1) -> Consumer:
    """A consumer that was given the first partitions, and knows where to read on."""
    transport = world.cluster.transport(world.service.settings)
    consumer = Consumer(
        world.service, transport, Heartbeats(), inbox_key=b"k" * 32, tools=world.tools()
    )
    consumer.assigned(log, [(world.inbound, number) for number in range(partitions)])
    await log.sought.wait()
    return consumer


class StillLog:
    """Partitions that nothing is read from; says when it was told where to read."""

    def __init__(self) -> None:
        self.sought = asyncio.Event()

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, Bounds]:
        return {partition: Bounds(0, 100) for partition in partitions}

    async def offsets_at(
        self, moment: datetime, partitions: Collection[Partition]
    ) -> Mapping[Partition, int]:
        return dict.fromkeys(partitions, 0)

    def seek(self, partition: Partition, offset: int) -> None:
        self.sought.set()

    def pause(self, partition: Partition) -> None:
        """Nothing is read anyway."""

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Nobody looks."""
