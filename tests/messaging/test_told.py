"""Kafka is told of a position once what was said before it is there, and of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest

from shared.messaging.consumer import Consumer
from shared.messaging.places import Partition
from shared.messaging.told import Telling
from tests.conftest import SettingsFactory
from tests.support.clusters import MemoryCluster, Sent
from tests.support.messaging import SCHEMA, World, open_world, until
from tests.support.reading import StillLog, reading


@pytest.fixture
async def world(database: str, service_settings: SettingsFactory) -> AsyncIterator[World]:
    settings = service_settings(SCHEMA, kafka_bootstrap_servers="127.0.0.1:1")
    async with open_world(MemoryCluster(), database, settings) as opened:
        yield opened


async def took(world: World, consumer: Consumer, count: int) -> None:
    """The consumer handles the messages after the first so many, which say a fact each."""
    before = sum((await world.outcomes()).values())
    await world.send(*(Sent("a", before + number, partition=0) for number in range(count)))
    consumer.polled()
    await consumer.take((await world.cluster.read(world.inbound))[before:])

    async def at_rest() -> bool:
        return not consumer.busy()

    await until(at_rest)


async def begun(world: World) -> tuple[StillLog, Consumer, Telling]:
    """A consumer of one partition, and Kafka knows where it begins."""
    log = StillLog()
    consumer = await reading(world, log)
    telling = Telling(world.pool, [consumer])
    await telling.tell()
    log.committed.clear()
    return log, consumer, telling


async def publish(world: World, *, most: int | None = None) -> None:
    """As a relay does, the oldest first."""
    await world.admin.execute(
        "delete from outbox where id in (select id from outbox order by id limit $1)", most
    )


async def test_kafka_is_told_of_the_position_where_reading_begins(world: World) -> None:
    log = StillLog()
    telling = Telling(world.pool, [await reading(world, log, partitions=2)])
    await telling.tell()
    await telling.tell()
    assert log.committed == [{(world.inbound, 0): 0, (world.inbound, 1): 0}]


async def test_a_position_is_told_once_what_was_said_before_it_is_published(world: World) -> None:
    log, consumer, telling = await begun(world)
    await took(world, consumer, 2)
    await telling.tell()
    assert log.committed == []
    await publish(world, most=1)
    await telling.tell()
    assert log.committed == []
    await publish(world)
    await telling.tell()
    assert log.committed == [{(world.inbound, 0): 2}]
    await telling.tell()
    assert log.committed == [{(world.inbound, 0): 2}]


async def test_it_waits_neither_for_nor_tells_what_came_after(world: World) -> None:
    log, consumer, telling = await begun(world)
    await took(world, consumer, 1)
    await telling.tell()
    await took(world, consumer, 1)
    await publish(world, most=1)
    await telling.tell()
    assert log.committed == [{(world.inbound, 0): 1}]
    await telling.tell()
    assert log.committed == [{(world.inbound, 0): 1}]
    await publish(world)
    await telling.tell()
    assert log.committed == [{(world.inbound, 0): 1}, {(world.inbound, 0): 2}]


async def test_of_partitions_that_went_elsewhere_nothing_is_told(world: World) -> None:
    log, consumer, telling = await begun(world)
    await took(world, consumer, 1)
    await telling.tell()
    await consumer.revoked()
    again = StillLog()
    consumer.assigned(again, [(world.inbound, 1)])
    await again.sought.wait()
    await publish(world)
    await telling.tell()
    await telling.tell()
    assert (log.committed, again.committed) == ([], [{(world.inbound, 1): 0}])


async def test_what_kafka_does_not_take_is_told_again_with_what_came_since(world: World) -> None:
    class AwayLog(StillLog):
        away = True

        async def commit(self, offsets: Mapping[Partition, int]) -> bool:
            return not self.away and await super().commit(offsets)

    log = AwayLog()
    consumer = await reading(world, log, partitions=2)
    telling = Telling(world.pool, [consumer])
    await telling.tell()
    await took(world, consumer, 1)
    await publish(world)
    log.away = False
    await telling.tell()
    assert log.committed == [{(world.inbound, 0): 1, (world.inbound, 1): 0}]


async def test_each_process_tells_kafka_by_itself(world: World) -> None:
    await world.send(*(Sent(f"key-{n}", n, partition=n % 4) for n in range(20)))
    assert isinstance(world.cluster, MemoryCluster)
    committed = world.cluster.broker.committed
    async with world.running():
        await world.taken(20)

        async def all_told() -> bool:
            return set(committed.values()) == {5}

        await until(all_told)
    assert len(committed) == 4
