"""What is urgent has a consumer of its own, and what a process is to hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from shared.contract.message import Message
from shared.messaging.consumer import AT_ONCE
from shared.messaging.consumers import consumers_of
from shared.messaging.subscription import Subscription
from shared.messaging.unit_of_work import Transaction
from shared.runtime.application import Loop
from shared.runtime.database import Connection
from shared.runtime.health import Heartbeats
from shared.runtime.settings import Hears
from tests.support.clusters import MemoryCluster, Sent
from tests.support.messaging import World


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


async def test_what_is_urgent_does_not_wait_behind_a_crowd(world: World) -> None:
    """As many batches of another topic as may be at work, none of which comes to an end."""
    crowd = await world.cluster.topic("crowd")
    held_up, released = asyncio.Semaphore(0), asyncio.Event()

    async def hold_up(tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        held_up.release()
        await released.wait()

    urgent = [replace(one, urgent=True) for one in world.service.subscriptions]
    subscriptions = [*urgent, Subscription(crowd, {world.types.told: hold_up})]
    async with both_consumers(world, subscriptions):
        for number in range(AT_ONCE):
            await world.cluster.send(crowd, [Sent(f"key-{number}", number, partition=number)])
            await held_up.acquire()
        await world.send(Sent("a", 1, kind="Urgent"))
        await world.taken(1)
        released.set()
        await world.taken(1 + AT_ONCE)


async def test_a_rehearsal_that_fails_stops_nothing(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    async def fail(connection: Connection) -> None:
        raise asyncpg.CannotConnectNowError("told to")

    (usual,) = world.service.subscriptions
    async with both_consumers(world, [replace(usual, rehearse=fail)]):
        await world.send(Sent("a", 1))
        await world.taken(1)
    assert "no rehearsal" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("hears", "names"), [("all", {"urgent", ""}), ("urgent", {"urgent"}), ("rest", {""})]
)
async def test_a_process_reads_what_it_is_to_hear(
    world: World, hears: Hears, names: set[str]
) -> None:
    settings = world.service.settings.model_copy(update={"hears": hears})
    (usual,) = world.service.subscriptions
    both = [replace(usual, urgent=True), replace(usual, topic=f"{usual.topic}-crowd")]
    consumers = consumers_of(
        replace(world.service, settings=settings, subscriptions=both),
        world.cluster.transport(settings),
        Heartbeats(),
        inbox_key=b"k" * 32,
        tools=world.tools(),
    )
    assert set(consumers) == names


@asynccontextmanager
async def both_consumers(
    world: World, subscriptions: Sequence[Subscription]
) -> AsyncIterator[Heartbeats]:
    """What a process runs to hear topics of both kinds; the heartbeats of both."""
    heartbeats, stopping = Heartbeats(), asyncio.Event()
    consumers = consumers_of(
        replace(world.service, subscriptions=subscriptions),
        world.cluster.transport(world.service.settings),
        heartbeats,
        inbox_key=b"k" * 32,
        tools=world.tools(),
        group=world.inbound,
    )
    async with asyncio.TaskGroup() as running:
        for name, consumer in consumers.items():
            heartbeats.expect(name, 30)
            running.create_task(consumer.run(Loop(name, heartbeats, stopping)))
        yield heartbeats
        stopping.set()
