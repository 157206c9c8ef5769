"""What a service tells Prometheus of its tables and its partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from shared.messaging.consumer import Consumer
from shared.messaging.maintenance import FIGURES_EVERY, NOT_SETTLED_S, Maintenance
from shared.messaging.places import Partition
from shared.messaging.redrive import Redrive
from shared.messaging.transport import Bounds
from shared.messaging.unit_of_work import unit_of_work
from shared.runtime.application import Loop
from shared.runtime.clock import utc_now
from shared.runtime.health import Heartbeats
from shared.runtime.periodic import TRY_AGAIN_S
from tests.support.clusters import PARTITIONS, MemoryCluster, Sent
from tests.support.messaging import SCHEMA, World, until
from tests.support.reading import StillLog, reading


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


async def measure(world: World, consumer: Consumer) -> None:
    transport = world.cluster.transport(world.service.settings)
    await Maintenance(world.service, [consumer], transport, now=utc_now).measure()


def figure(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"steward_{name}", labels)


def standing() -> tuple[float | None, ...]:
    return tuple(
        figure(name) for name in ("dead_letters_standing", "parked_messages", "parked_keys")
    )


async def test_what_waits_in_the_outbox_is_counted_and_its_age_told(world: World) -> None:
    an_hour_ago = utc_now() - timedelta(hours=1)
    async with unit_of_work(
        world.pool,
        service=SCHEMA,
        now=an_hour_ago,
        ids=world.tools().ids,
        topics={world.facts},
    ) as tx:
        tx.say(world.types.written(number=1, key=""), key=None)
    consumer = Consumer(
        world.service,
        world.cluster.transport(world.service.settings),
        Heartbeats(),
        inbox_key=b"k" * 32,
    )
    await measure(world, consumer)
    assert figure("outbox_rows") == 1
    assert figure("outbox_oldest_seconds") == pytest.approx(3600, abs=60)


async def test_every_message_that_came_is_counted_whatever_became_of_it(world: World) -> None:
    """Also by a process to which none came yet, as 0: else the first have grown from nothing."""
    before = figure("messages_received_total")
    assert before is not None
    await world.send(Sent("a", 1, "fail"), Sent("a", 2), Sent("b", 3))
    async with world.running():
        await world.taken(3)
    assert figure("messages_received_total") == before + 3


async def test_what_is_set_aside_is_counted_until_it_is_redriven(world: World) -> None:
    await world.send(Sent("a", 1, "fail"), Sent("a", 2), Sent("a", 3), Sent("b", 4, "fail"))
    async with world.running() as process:
        await world.taken(4)
        await measure(world, process.consumer)
        assert standing() == (2, 2, 2)
        world.mended = True
        letters = [letter["id"] for letter in await world.dead_letters()]
        await Redrive(world.service, world.tools()).run(letters)
        await measure(world, process.consumer)
        assert standing() == (0, 0, 0)


async def test_partitions_are_counted_those_that_stand_still_too(world: World) -> None:
    async with world.running():
        await world.send(*(Sent("key", number, partition=1) for number in range(3)))
        await world.taken(3)
    await world.send(*(Sent("key", number, partition=1) for number in range(3, 9)))
    await world.cluster.delete_before(world.inbound, 1, 5)
    async with world.running() as process:

        async def stands_still() -> bool:
            return bool(process.consumer.gaps)

        await until(stands_still)
        await measure(world, process.consumer)
        assert (figure("partitions_assigned"), figure("partitions_stopped")) == (PARTITIONS, 1)
        assert figure("consumer_lag", topic=world.inbound, partition="0") == 0
        assert figure("consumer_lag", topic=world.inbound, partition="1") == 4


class BegunLaterLog(StillLog):
    """Its first forty records are deleted."""

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, Bounds]:
        return {partition: Bounds(40, 100) for partition in partitions}


async def look_once(world: World, consumer: Consumer) -> None:
    heartbeats, stopping = Heartbeats(), asyncio.Event()
    heartbeats.expect("maintenance", 30)

    class OneLook(Loop):
        async def pause(self, seconds: float) -> None:
            stopping.set()

    transport = world.cluster.transport(world.service.settings)
    maintenance = Maintenance(world.service, [consumer], transport, now=utc_now)
    await maintenance.run(OneLook("maintenance", heartbeats, stopping))


async def test_what_a_partition_lags_that_goes_on_is_told_by_the_look_that_finds_it(
    world: World,
) -> None:
    """Who resumes it, and sees the lag 0, goes on as if all were read."""
    await world.admin.execute("insert into position values ($1, 0, 7)", world.inbound)
    consumer = await reading(world, BegunLaterLog())
    assert list(consumer.gaps) == [(world.inbound, 0)]
    await world.admin.execute("update position set next_offset = 50")
    await look_once(world, consumer)
    assert figure("partitions_stopped") == 0
    assert figure("consumer_lag", topic=world.inbound, partition="0") == 50


async def test_what_waits_in_tables_is_told_while_kafka_is_away(world: World) -> None:
    """It is then that facts wait to be published."""

    class AwayLog(StillLog):
        async def past_markers(self, positions: Mapping[Partition, int]) -> Mapping[Partition, int]:
            raise TimeoutError

    consumer = await reading(world, AwayLog())
    async with unit_of_work(
        world.pool, service=SCHEMA, now=utc_now(), ids=world.tools().ids, topics={world.facts}
    ) as tx:
        for number in range(3):
            tx.say(world.types.written(number=number, key=""), key=None)
    await look_once(world, consumer)
    assert figure("outbox_rows") == 3


async def test_the_lag_of_what_another_process_has_by_now_is_not_told(world: World) -> None:
    async with world.running() as process:
        await world.send(Sent("key", 1, partition=1))
        await world.taken(1)
        await measure(world, process.consumer)
        assert figure("consumer_lag", topic=world.inbound, partition="1") == 0
        await process.consumer.revoked()
        await measure(world, process.consumer)
        assert figure("consumer_lag", topic=world.inbound, partition="1") is None
        assert figure("partitions_assigned") == 0


async def test_a_stop_does_not_wait_for_kafka_to_tell_how_much_there_is(world: World) -> None:
    """A client that was closed meanwhile never answers."""
    asked, stopping, heartbeats = asyncio.Event(), asyncio.Event(), Heartbeats()

    class SilentLog(StillLog):
        async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, Bounds]:
            if self.sought.is_set():
                asked.set()
                await asyncio.Event().wait()
            return await super().bounds(partitions)

    consumer = await reading(world, SilentLog())
    transport = world.cluster.transport(world.service.settings)
    maintenance = Maintenance(world.service, [consumer], transport, now=utc_now)
    heartbeats.expect("maintenance", 30)
    running = asyncio.create_task(maintenance.run(Loop("maintenance", heartbeats, stopping)))
    await asked.wait()
    stopping.set()
    await running
    assert heartbeats.not_ready() == {}


async def test_what_was_away_is_looked_for_again_before_the_next_figures_are_due(
    world: World,
) -> None:
    """A service that works again says that it is ready."""
    heartbeats, stopping = Heartbeats(), asyncio.Event()
    heartbeats.expect("maintenance", 30)
    pauses: list[tuple[float, Mapping[str, str]]] = []

    class HurriedLoop(Loop):
        async def pause(self, seconds: float) -> None:
            pauses.append((seconds, heartbeats.not_ready()))
            if len(pauses) == 2:
                stopping.set()

    class OnceSilentLog(StillLog):
        async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, Bounds]:
            if self.sought.is_set() and not pauses:
                raise TimeoutError
            return await super().bounds(partitions)

    consumer = await reading(world, OnceSilentLog())
    transport = world.cluster.transport(world.service.settings)
    maintenance = Maintenance(world.service, [consumer], transport, now=utc_now)
    await maintenance.run(HurriedLoop("maintenance", heartbeats, stopping))
    away, back = pauses
    assert away == (TRY_AGAIN_S, {"maintenance": "Kafka does not answer"})
    assert back == (FIGURES_EVERY.total_seconds(), {})


@pytest.mark.parametrize(("session_ms", "seconds"), [(300_000, 5.0), (10_000, 5.0), (2_000, 1.0)])
async def test_who_has_a_short_session_looks_often(
    world: World, session_ms: int, seconds: float
) -> None:
    settings = world.service.settings.model_copy(update={"session_timeout_ms": session_ms})
    service = replace(world.service, settings=settings)
    consumer = await reading(world, StillLog())
    stopping, pauses = asyncio.Event(), list[float]()

    class HurriedLoop(Loop):
        async def pause(self, seconds: float) -> None:
            pauses.append(seconds)
            stopping.set()

    heartbeats = Heartbeats()
    heartbeats.expect("maintenance", 30)
    transport = world.cluster.transport(settings)
    maintenance = Maintenance(service, [consumer], transport, now=utc_now)
    await maintenance.run(HurriedLoop("maintenance", heartbeats, stopping))
    assert pauses == [seconds]


async def test_figures_come_soon_until_it_is_known_what_a_process_has(world: World) -> None:
    heartbeats, stopping, log = Heartbeats(), asyncio.Event(), StillLog()
    heartbeats.expect("maintenance", 30)
    transport = world.cluster.transport(world.service.settings)
    consumer = Consumer(world.service, transport, heartbeats, inbox_key=b"k" * 32)
    seen: list[tuple[float, float | None]] = []

    class HurriedLoop(Loop):
        async def pause(self, seconds: float) -> None:
            seen.append((seconds, figure("partitions_assigned")))
            if len(seen) == 2:
                stopping.set()
                return
            consumer.assigned(log, [(world.inbound, 0)])
            await log.sought.wait()

    maintenance = Maintenance(world.service, [consumer], transport, now=utc_now)
    await maintenance.run(HurriedLoop("maintenance", heartbeats, stopping))
    assert seen == [(NOT_SETTLED_S, 0), (FIGURES_EVERY.total_seconds(), 1)]
