"""An upstream that sends in Kafka transactions: their ends take offsets that nobody is handed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from prometheus_client import REGISTRY

from shared.contract.message import Message
from shared.messaging import maintenance
from shared.messaging.maintenance import Maintenance
from shared.runtime.application import Loop
from shared.runtime.clock import utc_now
from shared.runtime.health import Heartbeats
from tests.conftest import SettingsFactory, TopicFactory
from tests.support.clusters import KafkaCluster, Sent
from tests.support.messaging import SCHEMA, Process, World, open_world, until, until_assigned
from tests.support.reading import StillLog, reading
from tests.support.waiting import until_somebody_waits


@pytest.fixture
def cluster(kafka: str, topic_factory: TopicFactory) -> KafkaCluster:
    return KafkaCluster(kafka, topic_factory)


@pytest.fixture
async def world(
    cluster: KafkaCluster,
    database: str,
    service_settings: SettingsFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    monkeypatch.setattr(maintenance, "FIGURES_EVERY", timedelta(seconds=0.05))
    async with open_world(
        cluster, database, service_settings(SCHEMA, session_timeout_ms=6000)
    ) as opened:
        yield opened


@asynccontextmanager
async def maintained(world: World, process: Process) -> AsyncIterator[None]:
    """Beside a process, what is done from time to time; here, more often."""
    stopping, heartbeats = asyncio.Event(), Heartbeats()
    heartbeats.expect("maintenance", 30)
    transport = world.cluster.transport(world.service.settings)
    keeping = Maintenance(world.service, [process.consumer], transport, now=utc_now)
    running = asyncio.create_task(keeping.run(Loop("maintenance", heartbeats, stopping)))
    try:
        yield
    finally:
        stopping.set()
        await running


async def position(world: World) -> int:
    """The stored one of the first partition."""
    found: int | None = await world.admin.fetchval(
        "select next_offset from position where topic = $1 and partition = 0", world.inbound
    )
    return -1 if found is None else found


async def until_at(world: World, offset: int) -> None:
    async def there() -> bool:
        return await position(world) == offset

    await until(there, 10)


def lag(world: World) -> float | None:
    labels = {"topic": world.inbound, "partition": "0"}
    return REGISTRY.get_sample_value("steward_consumer_lag", labels)


@pytest.mark.parametrize("give_up", [False, True], ids=["committed", "given up"])
async def test_a_log_that_ends_with_the_end_of_a_transaction_is_read_to_its_end(
    world: World, cluster: KafkaCluster, *, give_up: bool
) -> None:
    async def no_lag() -> bool:
        return lag(world) == 0

    await world.send(Sent("a", 1, partition=0))
    await cluster.send_in_transaction(
        world.inbound, [Sent("a", 2, partition=0), Sent("a", 3, partition=0)], give_up=give_up
    )
    async with world.running() as process, maintained(world, process):
        await world.settled(1 if give_up else 3)
        await until_at(world, 4)
        await until(no_lag)
        await cluster.send_in_transaction(world.inbound, [Sent("a", 9, partition=0)], give_up=True)
        await until_at(world, 6)
        await world.send(Sent("a", 4, partition=0))
        await world.settled(2 if give_up else 4)
        assert not process.heartbeats.not_ready()
    assert await world.effects() == {"a": [1, 4] if give_up else [1, 2, 3, 4]}
    assert [*chain(*world.calls)] == (await world.effects())["a"], "each is handled once"


async def test_what_was_read_and_then_deleted_to_the_end_of_a_transaction_leaves_no_gap(
    world: World, cluster: KafkaCluster
) -> None:
    await cluster.send_in_transaction(world.inbound, [Sent("a", 1, partition=0)])
    async with world.running() as process, maintained(world, process):
        await world.settled(1)
        await until_at(world, 2)
    await cluster.delete_before(world.inbound, 0, 2)
    async with world.running() as process:
        await until_assigned(process)
        assert not process.consumer.gaps
        await world.send(Sent("a", 2, partition=0))
        await world.settled(2)
    assert await world.effects() == {"a": [1, 2]}


async def test_nothing_is_passed_by_that_is_still_at_work(
    world: World, cluster: KafkaCluster
) -> None:
    handling, passed = asyncio.Event(), asyncio.Event()

    async def hold(messages: Sequence[Message[Any]]) -> None:
        handling.set()
        await passed.wait()

    world.before_handling = hold
    await cluster.send_in_transaction(world.inbound, [Sent("a", 1, partition=0)])
    await cluster.send_in_transaction(world.inbound, [Sent("b", 1, partition=1)], give_up=True)
    async with world.running() as process:
        await handling.wait()
        other = (world.inbound, 1)

        async def other_is_read_to_its_end() -> bool:
            await process.consumer.pass_markers()
            return process.consumer.positions.get(other) == 2

        await until(other_is_read_to_its_end)
        assert await position(world) == 0
        passed.set()
        await world.settled(1)
    assert await world.effects() == {"a": [1]}


async def test_what_comes_while_a_marker_is_passed_begins_behind_it(world: World) -> None:
    await world.send(*(Sent("a", number, partition=0) for number in range(5)))
    records = [one for one in await world.cluster.read(world.inbound) if one.offset >= 2]
    log = StillLog()
    consumer = await reading(world, log)
    consumer.polled()
    log.past[world.inbound, 0] = 2
    async with world.admin.acquire() as connection, connection.transaction():
        await connection.execute("select from position for update")
        passing = asyncio.create_task(consumer.pass_markers())
        await until_somebody_waits(world.admin.fetchval)
        taking = asyncio.create_task(consumer.take(records))
        await asyncio.sleep(0)
        assert set(consumer.busy()) == {(world.inbound, 0)}
    await asyncio.gather(passing, taking)
    await consumer.revoked()
    assert await world.effects() == {"a": [2, 3, 4]}
    assert await position(world) == 5


async def test_what_another_process_has_moved_is_left_as_it_is(world: World) -> None:
    log = StillLog()
    consumer = await reading(world, log)
    await world.admin.execute("update position set next_offset = 7")  # another process
    log.past[world.inbound, 0] = 2
    log.sought.clear()
    await consumer.pass_markers()
    await log.sought.wait()
    assert consumer.positions == {(world.inbound, 0): 7}
    assert await position(world) == 7


async def test_partitions_that_are_taken_away_while_a_marker_is_passed_end_that_and_nothing_else(
    world: World,
) -> None:
    log = StillLog()
    consumer = await reading(world, log)
    log.past[world.inbound, 0] = 2
    async with world.admin.acquire() as connection, connection.transaction():
        await connection.execute("select from position for update")
        passing = asyncio.create_task(consumer.pass_markers())
        await until_somebody_waits(world.admin.fetchval)
        await consumer.revoked()
        await passing
    assert await position(world) == 0
