"""When a few records are gathered, and when the next are taken at once."""

from __future__ import annotations

import asyncio

import pytest

from shared.messaging.manner import Manner
from tests.support.clusters import MemoryCluster, Sent
from tests.support.messaging import World
from tests.support.reading import StillLog, held, reading
from tests.support.waiting import until_somebody_waits


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


async def test_after_a_few_records_more_are_gathered_before_the_next_are_taken(
    world: World,
) -> None:
    """What came is handled at once; a batch that is half full and more is followed at once too."""
    full = world.service.settings.batch_max_records // 2
    await world.send(*(Sent("a", number, partition=0) for number in range(1 + full)))
    records = await world.cluster.read(world.inbound)
    consumer = await reading(world, StillLog(), manner=Manner(gather_s=3600))
    consumer.polled()
    taking = asyncio.create_task(consumer.take(records[:1]))
    await world.taken(1)
    assert not taking.done()
    taking.cancel()
    await consumer.take(records[1:])
    await consumer.revoked()
    assert await world.effects() == {"a": list(range(1 + full))}


async def test_a_few_of_many_that_wait_are_followed_at_once(world: World) -> None:
    """One fetch brings so many bytes, which can be far from half a batch."""
    full = world.service.settings.batch_max_records // 2
    await world.send(*(Sent("a", number, partition=0) for number in range(3)))
    records = await world.cluster.read(world.inbound)
    log = StillLog()
    consumer = await reading(world, log, manner=Manner(gather_s=3600))
    consumer.polled()
    log.ends[world.inbound, 0] = 1 + full
    await consumer.take(records[:1])  # half a batch is left
    log.ends[world.inbound, 0] = full
    resting = asyncio.create_task(consumer.take(records[1:2]))  # one less than that
    await world.taken(2)
    assert not resting.done()
    resting.cancel()
    await consumer.revoked()


async def test_what_waits_in_a_partition_that_stands_still_is_not_waited_for(world: World) -> None:
    await world.send(Sent("a", 0, partition=0))
    records = await world.cluster.read(world.inbound)
    log = StillLog()
    consumer = await reading(world, log, partitions=2, manner=Manner(gather_s=3600))
    consumer.polled()
    log.ends[world.inbound, 1] = 2 * world.service.settings.batch_max_records
    consumer.out_of_range((world.inbound, 1))
    resting = asyncio.create_task(consumer.take(records))
    await world.taken(1)
    assert not resting.done()
    resting.cancel()
    await consumer.revoked()


async def test_a_few_records_wait_for_the_few_before_them_to_end(world: World) -> None:
    """So who takes long, since others need the processors too, has fewer and larger batches."""
    await world.send(Sent("a", 0, partition=0))
    records = await world.cluster.read(world.inbound)
    consumer = await reading(world, StillLog(), manner=Manner(gather_s=1e-6))
    consumer.polled()
    async with held(world, 0):
        taking = asyncio.create_task(consumer.take(records))
        await until_somebody_waits(world.admin.fetchval)
        assert not taking.done()
    await taking
    assert not consumer.busy()
    assert await world.effects() == {"a": [0]}
    await consumer.revoked()


async def test_what_does_not_end_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have to wait for the database for hours, and polls tell that the process lives."""
    monkeypatch.setattr("shared.messaging.gathering.PATIENCE_S", 0.0)
    await world.send(Sent("a", 0, partition=0))
    records = await world.cluster.read(world.inbound)
    consumer = await reading(world, StillLog(), manner=Manner(gather_s=1e-6))
    consumer.polled()
    async with held(world, 0):
        await consumer.take(records)
        assert consumer.busy() == {(world.inbound, 0)}
    await consumer.revoked()


async def test_who_waited_for_room_does_not_rest_as_long_as_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room can be an hour in coming, while the database is away."""
    await world.send(Sent("a", 0, partition=0), Sent("a", 1, partition=0))
    first, second = await world.cluster.read(world.inbound)
    consumer = await reading(world, StillLog(), manner=Manner(gather_s=1e-6))
    consumer.polled()
    clock, sleep = asyncio.get_running_loop().time, asyncio.sleep
    rests: list[tuple[float, float]] = []

    async def rest(seconds: float) -> None:
        rests.append((clock(), seconds))
        await sleep(0)

    async with held(world, 0):
        monkeypatch.setattr("shared.messaging.gathering.PATIENCE_S", 0.0)
        await consumer.take([first])
        monkeypatch.undo()
        waiting = asyncio.create_task(consumer.take([second]))
        await until_somebody_waits(world.admin.fetchval)
        monkeypatch.setattr("shared.messaging.gathering.asyncio.sleep", rest)
        released = clock()
    await waiting
    monkeypatch.undo()
    at, seconds = rests[-1]
    assert seconds <= at - released
    await consumer.revoked()
