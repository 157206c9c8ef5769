"""The way from the outbox to Kafka, when Kafka or a holder of a lane goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging import store
from shared.messaging.relay import relays, up_to_failures
from shared.messaging.store import LANES, OutboxRow
from shared.messaging.unit_of_work import unit_of_work
from shared.runtime.clock import utc_now
from tests.conftest import SettingsFactory
from tests.support.clusters import MemoryCluster, Sent
from tests.support.messaging import NAMES, SCHEMA, Process, World, open_world, until
from tests.support.waiting import until_somebody_waits


@pytest.fixture
def cluster() -> MemoryCluster:
    """The substitute, which can be sent away at once."""
    return MemoryCluster()


@pytest.fixture
async def world(
    cluster: MemoryCluster, database: str, service_settings: SettingsFactory
) -> AsyncIterator[World]:
    settings = service_settings(
        SCHEMA, kafka_bootstrap_servers="127.0.0.1:1", session_timeout_ms=2000
    )
    async with open_world(cluster, database, settings) as opened:
        yield opened


def said_in_order(count: int, keys: int) -> dict[str, list[int]]:
    return {f"key-{key}": list(range(key, count, keys)) for key in range(keys)}


async def not_ready(process: Process, why: str = "") -> None:
    async def told() -> bool:
        return any(why in reason for reason in process.heartbeats.not_ready().values())

    await until(told)


async def ready(process: Process) -> None:
    async def told() -> bool:
        return not process.heartbeats.not_ready()

    await until(told)


async def say(world: World, *numbers: int) -> None:
    """What a command says, which needs no Kafka."""
    async with unit_of_work(
        world.pool, service=SCHEMA, now=utc_now(), ids=uuid4, topics={world.facts}
    ) as tx:
        for number in numbers:
            key = f"key-{number % 5}"
            tx.say(world.types.written(number=number, key=key), key=uuid5(NAMES, key))


async def test_facts_keep_their_order_when_kafka_goes_away_and_comes_back(
    world: World, cluster: MemoryCluster
) -> None:
    async with world.running() as process:
        for first in range(0, 90, 30):
            await say(world, *range(first, first + 15))
            cluster.broker.go_away()
            await say(world, *range(first + 15, first + 30))
            await not_ready(process)
            cluster.broker.come_back()
            await world.published()
            await ready(process)
    assert await world.said() == said_in_order(90, 5)
    assert len(await cluster.read(world.facts)) == 90, "nothing was sent while a send was pending"


async def test_a_process_that_dies_while_kafka_is_away_loses_nothing(
    world: World, cluster: MemoryCluster
) -> None:
    await world.send(*(Sent(f"key-{n % 5}", n) for n in range(50)))
    async with world.running() as process:
        await world.taken(50)
        cluster.broker.go_away()
        await process.kill()
    async with world.running() as process:
        await not_ready(process)
        cluster.broker.come_back()
        await world.published()
    assert await world.said() == said_in_order(50, 5)


async def test_what_kafka_refuses_stands_still_and_is_told_until_it_is_mended(
    world: World, cluster: MemoryCluster
) -> None:
    cluster.broker.refused.add(world.facts)
    await world.send(*(Sent(f"key-{n % 5}", n) for n in range(20)))
    async with world.running() as process:
        await world.taken(20)
        await not_ready(process, "Kafka refuses a fact")
        cluster.broker.refused.clear()
        await world.published()
        await ready(process)
    assert await world.said() == said_in_order(20, 5)


async def test_another_process_takes_a_lane_whose_holder_lost_its_connection(
    world: World, cluster: MemoryCluster
) -> None:
    async with world.running(), world.running():
        for first in range(0, 60, 20):
            await world.send(*(Sent(f"key-{n % 5}", n) for n in range(first, first + 20)))
            await world.admin.execute(
                "select pg_terminate_backend(pid) from pg_locks"
                " where locktype = 'advisory' and pid <> pg_backend_pid()"
                " and database = (select oid from pg_database where datname = current_database())"
            )
            await world.taken(first + 20)
            await world.published()
    assert await world.said() == said_in_order(60, 5)


async def test_a_holder_that_falls_silent_loses_its_lanes_to_others(
    world: World, cluster: MemoryCluster
) -> None:
    """Its process is stopped, or its network: nobody ends its connection but the server."""
    settings = world.service.settings
    silent, *_ = relays(SCHEMA, settings, cluster.transport(settings))
    connection = await silent._connect()
    try:
        assert all([await store.take_lane(connection, lane) for lane in LANES])
        await say(world, *range(20))
        async with world.running():
            await world.published()
    finally:
        connection.terminate()
    assert await world.said() == said_in_order(20, 5)


async def test_a_relay_does_not_wait_for_the_disk_where_others_do(world: World) -> None:
    """What arrived can be sent again; what was said must not be lost."""
    query = "select source from pg_settings where name = 'synchronous_commit'"
    async with world.running() as process:
        connection = await process.relays[0]._connect()
        try:
            assert await connection.fetchval(query) == "client"
        finally:
            await connection.close()
    assert await world.pool.fetchval(query) != "client"


async def test_what_a_command_says_is_published_too(world: World) -> None:
    async with world.running():
        await say(world, 1)
        await world.published()
    assert await world.said() == {"key-1": [1]}


async def test_a_command_that_fails_says_nothing(world: World) -> None:
    async def fail() -> None:
        async with unit_of_work(
            world.pool, service=SCHEMA, now=utc_now(), ids=uuid4, topics={world.facts}
        ) as tx:
            tx.say(world.types.written(number=1, key="a"), key=uuid4())
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await world.admin.fetchval("select count(*) from outbox") == 0


async def test_lanes_are_those_that_the_tables_know(world: World) -> None:
    dealt = await world.admin.fetch(
        "select distinct outbox_lane(n::text::bytea) as lane from generate_series(1, 100) n"
    )
    assert sorted(row["lane"] for row in dealt) == sorted(LANES)


@pytest.fixture(params=[0, store.FEW], ids=["copied", "inserted"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "FEW", request.param)


async def say_and_wait(
    world: World, number: int, key: str, said: asyncio.Event, may_commit: asyncio.Event
) -> None:
    """A transaction that has written what it says, and takes its time."""
    async with unit_of_work(
        world.pool, service=SCHEMA, now=utc_now(), ids=uuid4, topics={world.facts}
    ) as tx:
        await tx.connection.execute("select pg_advisory_xact_lock(hashtext($1))", f"about {key}")
        tx.say(world.types.written(number=number, key=key), key=None)
        await tx.close()
        tx.said.clear()
        said.set()
        await may_commit.wait()


@pytest.mark.usefixtures("_either_way")
async def test_nobody_waits_for_who_says_something_else_and_what_commits_late_is_published_too(
    world: World,
) -> None:
    said, may_commit, at_once = asyncio.Event(), asyncio.Event(), asyncio.Event()
    at_once.set()
    async with world.running():
        slow = asyncio.create_task(say_and_wait(world, 1, "a", said, may_commit))
        await said.wait()
        await say_and_wait(world, 2, "b", asyncio.Event(), at_once)
        await world.published()
        assert await world.said() == {"b": [2]}
        may_commit.set()
        await slow
        await world.published()
    assert await world.said() == {"b": [2], "a": [1]}


@pytest.mark.usefixtures("_either_way")
async def test_what_is_about_the_same_is_published_in_the_order_of_commits(world: World) -> None:
    said, may_commit, at_once = asyncio.Event(), asyncio.Event(), asyncio.Event()
    at_once.set()
    async with world.running():
        slow = asyncio.create_task(say_and_wait(world, 1, "a", said, may_commit))
        await said.wait()
        later = asyncio.create_task(say_and_wait(world, 2, "a", asyncio.Event(), at_once))
        await until_somebody_waits(world.admin.fetchval)
        may_commit.set()
        await asyncio.gather(slow, later)
        await world.published()
    assert await world.said() == {"a": [1, 2]}


async def test_a_lane_is_published_by_one_process_at_a_time(
    world: World, cluster: MemoryCluster
) -> None:
    async with world.running(), world.running(), world.running():
        for first in range(0, 60, 20):
            await world.send(*(Sent(f"key-{n}", n) for n in range(first, first + 20)))
            await world.taken(first + 20)
            await world.published()
    assert len(await cluster.read(world.facts)) == 60, "nothing is sent twice where nothing fails"


row = OutboxRow(0, "facts", b"k", [], b"")


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", None]), st.booleans()), max_size=20))
def test_after_the_first_failure_of_a_key_nothing_of_it_counts_as_delivered(
    drawn: list[tuple[bytes | None, bool]],
) -> None:
    rows = [row._replace(id=number, key=key) for number, (key, _) in enumerate(drawn)]
    failures: dict[int, BaseException] = {
        number: TimeoutError() for number, (_, failed) in enumerate(drawn) if failed
    }
    delivered = {one.id for one in up_to_failures(rows, failures)}
    for one in rows:
        earlier = [other.id for other in rows if other.key == one.key and other.id <= one.id]
        assert (one.id in delivered) == (not failures.keys() & set(earlier))
