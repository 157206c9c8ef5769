"""Whose a partition is and where it is read on: processes that come and go, logs with gaps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from shared.contract.message import Message
from shared.messaging.places import in_no_log
from tests.support.clusters import PARTITIONS, Sent
from tests.support.messaging import World, until, until_assigned


async def test_two_processes_that_think_they_have_the_same_partitions_do_not_double(
    world: World,
) -> None:
    """Each in a group of its own: both are given every partition, as a stopped process thinks."""
    async with (
        world.running(group="one-" + world.inbound),
        world.running(group="two-" + world.inbound),
    ):
        for first in range(0, 200, 20):
            await world.send(*(Sent(f"key-{n % 5}", n) for n in range(first, first + 20)))
        await world.settled(200)
    expected = {f"key-{key}": list(range(key, 200, 5)) for key in range(5)}
    assert await world.effects() == expected
    assert await world.said() == expected
    assert await world.outcomes() == {"accepted": 200}


async def test_partitions_move_between_processes_without_loss(world: World) -> None:
    async def send_on() -> None:
        for first in range(0, 300, 10):
            await world.send(*(Sent(f"key-{n % 10}", n) for n in range(first, first + 10)))

    sending = asyncio.create_task(send_on())
    async with world.running():
        for _ in range(3):
            async with world.running() as second:
                await until_assigned(second)
        await sending
        await world.settled(300)
    expected = {f"key-{key}": list(range(key, 300, 10)) for key in range(10)}
    assert await world.effects() == expected
    assert await world.said() == expected


async def test_what_waits_is_known_without_asking(world: World) -> None:
    await world.send(*(Sent("a", number, partition=0) for number in range(5)))
    async with world.running() as process:
        await world.taken(5)
        log = process.consumer.log
        assert log is not None
        here, elsewhere = (world.inbound, 0), ("another topic", 0)
        assert log.waiting({here: 2, elsewhere: 0}) == 3
        assert log.waiting({here: 7}) == 0
        assert log.waiting({}) == 0


async def test_a_gap_stops_its_partition_only_and_is_told(world: World) -> None:
    await world.send(*(Sent(f"p{n}", n, partition=n % 2) for n in range(4)))
    async with world.running():
        await world.taken(4)
    await world.send(*(Sent(f"p{n}", n, partition=n % 2) for n in range(4, 8)))
    await world.cluster.delete_before(world.inbound, 1, 4)
    async with world.running() as process:
        await world.taken(6)
        assert list(process.consumer.gaps) == [(world.inbound, 1)]
        assert f"{world.inbound}[1]" in process.heartbeats.not_ready()
        await world.admin.execute(
            "update position set next_offset = 4 where topic = $1 and partition = 1", world.inbound
        )
        await process.consumer.check_gaps()
        assert process.heartbeats.not_ready() == {}
        await world.send(Sent("p9", 9, partition=1))
        await world.taken(7)
    assert sorted(await world.effects()) == ["p0", "p1", "p2", "p3", "p4", "p6", "p9"]


async def test_nobody_is_ready_before_it_is_known_where_to_read_on(world: World) -> None:
    """Else `steward up` would say that all runs, and all would stand still."""
    await world.admin.execute("insert into position values ($1, 1, 5)", world.inbound)
    async with world.running() as process:
        await asyncio.sleep(0)
        while not process.consumer.settled:
            assert process.heartbeats.not_ready()
            await asyncio.sleep(0.01)
        assert process.heartbeats.not_ready().keys() == {f"{world.inbound}[1]"}


async def test_who_has_no_partition_is_ready(world: World) -> None:
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(world.running()) for _ in range(PARTITIONS + 1)]

        async def all_are_ready() -> bool:
            shared_out = sum(len(process.consumer.positions) for process in running) == PARTITIONS
            return shared_out and not any(one.heartbeats.not_ready() for one in running)

        await until(all_are_ready)


async def test_a_gap_in_a_partition_that_was_never_read_stops_that_one_only(world: World) -> None:
    await world.send(*(Sent(f"p{n}", n, partition=n % 2) for n in range(8)))
    await world.admin.execute("insert into position values ($1, 1, 0)", world.inbound)
    await world.cluster.delete_before(world.inbound, 1, 2)
    async with world.running() as process:
        await world.taken(4)
        await world.send(*(Sent(f"p{n}", n, partition=0) for n in range(8, 20, 2)))
        await world.taken(10)
        assert list(process.consumer.gaps) == [(world.inbound, 1)]
    assert sorted(await world.effects()) == sorted(f"p{n}" for n in range(0, 20, 2))


async def test_a_log_that_was_made_anew_stands_still_however_far_it_grows(world: World) -> None:
    """Else whoever had read more of the former one would pass over its first messages."""
    await world.send(Sent("old", 0, partition=1))
    await world.admin.execute("insert into position values ($1, 1, 5)", world.inbound)
    async with world.running() as process:
        await until_assigned(process)
        assert list(process.consumer.gaps) == [(world.inbound, 1)]
        await world.send(*(Sent("new", n, partition=1) for n in range(9)))
        await process.consumer.check_gaps()
        assert list(process.consumer.gaps) == [(world.inbound, 1)]
    async with world.running() as process:
        await until_assigned(process)
        assert list(process.consumer.gaps) == [(world.inbound, 1)]
        await world.admin.execute("update position set next_offset = 0 where partition = 1")
        await process.consumer.check_gaps()
        await world.taken(10)
    assert await world.effects() == {"old": [0], "new": list(range(9))}


async def test_before_another_log_nothing_is_forgotten(world: World) -> None:
    """An empty Kafka by a wrong address: with the right one it goes on where it was."""
    await world.send(*(Sent("a", n, partition=1) for n in range(3)))
    await world.admin.execute("insert into position values ($1, 1, 5)", world.inbound)
    async with world.running() as process:
        await until_assigned(process)
    kept = await world.admin.fetchval("select next_offset from position where partition = 1")
    assert kept == in_no_log(5)


async def test_a_gap_that_opens_while_reading_stops_its_partition_only(world: World) -> None:
    handling, deleted = asyncio.Event(), asyncio.Event()

    async def hold(messages: Sequence[Message[Any]]) -> None:
        handling.set()
        await deleted.wait()

    world.before_handling = hold
    async with world.running() as process:
        await until_assigned(process)
        await world.send(Sent("a", 1, partition=0))
        await handling.wait()
        # Beyond what is fetched by now, so that the reader meets it as soon as it goes on.
        await world.admin.execute("select 1")
        log = process.consumer.log
        assert log is not None
        log.seek((world.inbound, 1), 50)
        deleted.set()

        async def stands_still() -> bool:
            return (world.inbound, 1) in process.consumer.gaps

        await until(stands_still)
        await world.send(Sent("a", 2, partition=0))
        await world.taken(2)
    assert await world.effects() == {"a": [1, 2]}
