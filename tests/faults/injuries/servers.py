"""Kafka or Postgres dies and comes back; single connections are cut by the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import asyncpg
import psutil
from aiokafka.admin import AIOKafkaAdminClient

from tests.faults.registry import injury
from tests.faults.replicas import Replica
from tests.faults.servers import Server
from tests.faults.world import World

TELLS_WITHIN_S = 15.0
"""A service that has nothing to do asks its servers this seldom."""

IDLE_SHARE = 0.1
"""Of one core: what a service may use at most while it can only wait; it uses 0.04. Spinning would
be 1, or where all of them spin, as much of the machine as others leave to each.
"""

RESTS_AT_LEAST_S = 1.5
"""So long it is looked at what they use, however short the server is to be away."""

BETWEEN_S = 2.0
"""Load between two times."""

BROKER_AWAY_S = 10.0
"""So long one of three brokers stays away at most: the others go on meanwhile."""

IN_STEP_WITHIN_S = 90.0

CUTS = 5
"""Connections that the server cuts, one after the other, for each time that it dies."""


@injury("postgres-dies", long=20, short=1)
async def postgres_dies(world: World, times: int) -> None:
    """`kill -9` of the postmaster, which stays away; before that, single connections are cut."""
    for _ in range(times):
        await asyncio.sleep(BETWEEN_S)
        await _cut_connections(world)
        await _kill_and_return(world, world.ground.postgres, "database")


@injury("kafka-dies", long=20, short=1)
async def kafka_dies(world: World, times: int) -> None:
    """`kill -9` of the only broker, which stays away."""
    for _ in range(times):
        await asyncio.sleep(BETWEEN_S)
        await _kill_and_return(world, world.ground.kafka, "Kafka")


@injury("broker-dies", long=20, short=1, brokers=3)
async def broker_dies(world: World, times: int) -> None:
    """`kill -9` of one broker of three, in turn; the services go on without it and after."""
    brokers = world.ground.brokers
    for number in range(times):
        await asyncio.sleep(BETWEEN_S)
        broker = brokers[number % len(brokers)]
        world.note(f"{broker.name} dies")
        await broker.kill()
        back_at = time.monotonic() + min(world.options.away_s, BROKER_AWAY_S)
        # What is limited is the time after its return; this one is Kafka's, to choose new leaders.
        longest = world.recovered_s
        took = await world.recovered()
        world.recovered_s = longest
        world.note(f"all go on without {broker.name} after {took:.1f} s")
        await asyncio.sleep(max(0.0, back_at - time.monotonic()))
        await broker.start()
        world.note(f"{broker.name} is back")
        took = await world.recovered()
        world.note(f"all went on after {took:.1f} s")
        await _in_step(world)


async def _in_step(world: World) -> None:
    """Wait until every replica has all: two that lack something at once are another injury."""
    admin = AIOKafkaAdminClient(bootstrap_servers=world.ground.bootstrap_servers)
    behind = ["nobody looked"]
    try:
        async with asyncio.timeout(IN_STEP_WITHIN_S):
            await admin.start()
            while behind:
                behind = [
                    f"{found['topic']}[{one['partition']}]"
                    for found in await admin.describe_topics()
                    for one in found["partitions"]
                    if len(one["isr"]) < len(one["replicas"])
                ]
                await asyncio.sleep(0.2)  # nothing announces it
    except TimeoutError:
        raise AssertionError(f"replicas are behind: {behind}") from None
    finally:
        await admin.close()


async def _cut_connections(world: World) -> None:
    """One at a time, of any service: a batch, a relay's lane or the desk loses it."""
    connection = await asyncpg.connect(world.ground.database_url)
    try:
        for _ in range(CUTS):
            found = await connection.fetch(
                "select pid, usename from pg_stat_activity where usename like 'steward_%'"
                " order by usename, backend_start"
            )
            chosen = world.random.choice(found)
            world.note(f"a connection of {chosen['usename']} is cut")
            await connection.execute("select pg_terminate_backend($1)", chosen["pid"])
            await asyncio.sleep(world.random.uniform(0.05, 0.5))
    finally:
        await connection.close()


async def _kill_and_return(world: World, server: Server, named: str) -> None:
    """While it is away every service says so and rests; when it is back all go on."""
    world.note(f"{server.name} dies, and is away for {world.options.away_s:.0f} s at least")
    await server.kill()
    back_at = time.monotonic() + world.options.away_s
    await all_tell(world, named)
    before, began = _processor_time(world), time.monotonic()
    await asyncio.sleep(max(RESTS_AT_LEAST_S, back_at - began))
    _rested(before, _processor_time(world), time.monotonic() - began)
    await server.start()
    world.note(f"{server.name} is back")
    took = await world.recovered()
    world.note(f"all went on after {took:.1f} s")


async def all_tell(world: World, named: str) -> None:
    """Wait until every service says that it misses what is named. Raises AssertionError."""
    silent = set(world.all_replicas())
    told: dict[Replica, str | None] = {}
    deadline = time.monotonic() + TELLS_WITHIN_S
    while silent and time.monotonic() < deadline:
        for replica in list(silent):
            told[replica] = await replica.missing()
            if told[replica] and named in str(told[replica]):
                silent.discard(replica)
        await asyncio.sleep(0.2)  # nothing announces that it is missed
    for replica in silent:
        raise AssertionError(
            f"{replica.name} does not say that it misses {named}, but: {told[replica]}"
        )
    world.note(f"every service says that it misses {named}")


def _processor_time(world: World) -> dict[str, float]:
    """Seconds that each service's process has used."""
    used = {}
    for replica in world.all_replicas():
        life = replica.present
        if life is not None and life.process.pid is not None:
            times = psutil.Process(life.process.pid).cpu_times()
            used[replica.name] = times.user + times.system
    return used


def _rested(before: Mapping[str, float], after: Mapping[str, float], waited_s: float) -> None:
    for service, used in after.items():
        share = (used - before[service]) / waited_s
        assert share < IDLE_SHARE, f"{service} uses {share:.0%} of a core while it can only wait"
