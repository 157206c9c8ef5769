"""Batches that take too long, and partitions that are taken away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from shared.contract.message import Message
from shared.messaging.failing import Portion
from tests.conftest import SettingsFactory
from tests.support.clusters import MemoryCluster, Sent
from tests.support.messaging import SCHEMA, Process, World, open_world, until
from tests.support.reading import StillLog, held, reading


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


async def test_a_batch_that_cannot_end_is_told_while_others_succeed(world: World) -> None:
    """Else a partition would stand still, and nobody be told."""

    async def stop_one(messages: Sequence[Message[Any]]) -> None:
        if any(one.record.partition == 0 for one in messages):
            raise ConnectionRefusedError

    world.before_handling = stop_one
    await world.send(Sent("a", 0, partition=0))
    async with world.running() as process:

        async def ready() -> bool:
            return not process.heartbeats.not_ready()

        async def told() -> bool:
            return "batch" in process.heartbeats.not_ready()

        async def only_one_is_busy() -> bool:
            return set(process.consumer.busy()) == {(world.inbound, 0)}

        await until(told)
        for number in range(1, 6):
            await world.send(Sent("b", number, partition=1))
            await world.taken(number)
            await until(only_one_is_busy)
            assert process.heartbeats.not_ready() == {"batch": "waits for the database"}
        world.before_handling = None
        await world.taken(6)
        await until(ready)


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


async def test_after_a_database_was_silent_batches_grow_again(world: World) -> None:
    """It answers nothing for so long that a record at a time is tried."""
    tried: list[int] = []

    async def be_silent(messages: Sequence[Message[Any]]) -> None:
        tried.append(len(messages))
        if len(tried) <= 6:
            raise TimeoutError

    world.before_handling = be_silent
    await world.send(*(Sent(f"key-{n}", n, partition=0) for n in range(40)))
    async with world.running():
        await world.settled(40)
    assert tried == [40, 20, 10, 5, 2, 1, 1, 2, 4, 8, 16, 9]
    assert await world.outcomes() == {"accepted": 40}


def test_no_more_is_tried_where_a_portion_takes_long() -> None:
    portion = Portion(100, limit_s=10)
    portion.failed(TimeoutError(), 100, took_s=0)
    portion.succeeded(took_s=2.5)
    assert portion.most == 50
    portion.failed(ConnectionRefusedError(), 50, took_s=0)
    assert portion.most == 50, "fewer would not be let in either"
    portion.succeeded(took_s=2.4)
    assert portion.most == 100
    portion.failed(ConnectionResetError(), 100, took_s=5)
    assert portion.most == 50, "nobody said why, but it took long"
    hidden = asyncpg.InterfaceError("connection is closed")
    hidden.__context__ = asyncpg.QueryCanceledError()
    portion.failed(hidden, 50, took_s=0)
    assert portion.most == 25, "the rollback fails as well, and hides what the server said"


async def test_a_batch_that_the_server_ends_at_its_time_limit_is_halved(world: World) -> None:
    """The server ends the session; what asyncpg says then hides what the server said."""

    async def ended() -> bool:
        query = "select count(*) from pg_stat_activity where datname = current_database()"
        return not await world.admin.fetchval(f"{query} and state like 'idle in transaction%'")

    async def take_long(messages: Sequence[Message[Any]]) -> None:
        if len(messages) > 5:
            await until(ended)

    world.before_handling = take_long
    await world.send(*(Sent(f"key-{n}", n, partition=0) for n in range(10)))
    async with world.running():
        await world.settled(10)
    assert await world.outcomes() == {"accepted": 10}


@asynccontextmanager
async def waiting_batch(world: World) -> AsyncIterator[Process]:
    """A process that is not ready, since its one batch waits for the database."""

    async def be_silent(messages: Sequence[Message[Any]]) -> None:
        raise TimeoutError

    world.before_handling = be_silent
    await world.send(Sent("a", 0, partition=0))
    async with world.running() as process:

        async def told() -> bool:
            return process.heartbeats.not_ready() == {"batch": "waits for the database"}

        await until(told)
        yield process


async def test_who_waited_for_the_database_is_ready_when_another_process_has_done_it(
    world: World,
) -> None:
    """No batch of its own may come for a long time: it must not be missing until then."""
    async with waiting_batch(world) as process:
        await world.admin.execute("update position set next_offset = 1 where partition = 0")

        async def ready() -> bool:
            return not process.heartbeats.not_ready()

        await until(ready)
    assert await world.outcomes() == {}


async def test_who_waited_for_the_database_is_ready_when_its_partitions_go_elsewhere(
    world: World,
) -> None:
    async with waiting_batch(world) as process:
        await process.consumer.revoked()
        assert process.heartbeats.not_ready() == {}
    assert await world.outcomes() == {}


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


async def test_what_was_fetched_while_it_is_looked_where_to_read_on_is_not_handled(
    world: World,
) -> None:
    """The same: where to fetch from is said at the end of the look."""
    await world.send(*(Sent("a", number, partition=0) for number in range(5)))
    records = await world.cluster.read(world.inbound)
    log = StillLog()
    consumer = await reading(world, log)
    log.sought.clear()
    consumer.assigned(log, [(world.inbound, 0)])
    consumer.polled()
    await log.sought.wait()
    await consumer.take(records[3:])
    await consumer.revoked()
    assert await world.effects() == {}


async def test_a_gap_is_told_by_nobody_to_whom_the_partition_does_not_belong_any_more(
    world: World,
) -> None:
    consumer = await reading(world, StillLog())
    consumer.out_of_range((world.inbound, 0))
    told = consumer._heartbeats.not_ready
    assert (len(consumer.gaps), len(told())) == (1, 1)
    await consumer.revoked()
    assert (len(consumer.gaps), told()) == (0, {})


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
