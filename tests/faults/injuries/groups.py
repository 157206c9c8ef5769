"""A service is stopped for longer than its session lasts, or gets company and loses it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Collection
from functools import partial

import asyncpg

from services.cli.processes import NAMES
from tests.faults.operator import until_nothing
from tests.faults.registry import injury
from tests.faults.replicas import Replica
from tests.faults.world import World

STOPPED_SESSIONS = 2.0
"""So many session time-outs a process stands still: its partitions go to another one."""

MOST_REPLICAS = 3
BETWEEN_S = 1.5


@injury("stopped-too-long", long=20, short=1)
async def stopped_too_long(world: World, times: int) -> None:
    """SIGSTOP for longer than the session time-out while another replica takes over; SIGCONT.

    The one that wakes up must not write. While it stands still it may hold no lock that others wait
    for, nor a lane of the outbox: nobody waits for that one, and what is in it would not be said.
    """
    stopped = [NAMES[number % len(NAMES)] for number in range(times)]
    others = [world.add_replica(name) for name in dict.fromkeys(stopped)]
    await world.recovered()
    session_s = world.options.session_ms / 1000
    for name in stopped:
        await asyncio.sleep(BETWEEN_S)
        replica = world.random.choice(world.replicas[name])
        life = replica.present
        assert life is not None, f"{name} does not live"
        world.note(f"a process of {name} is stopped")
        life.kill(signal.SIGSTOP)
        await asyncio.sleep(session_s * STOPPED_SESSIONS)
        held = await _locks_waited_for(world, replica.spec.service)
        assert not held, f"others wait for a lock of the stopped {name}: {held}"
        await until_nothing(partial(_unsaid, world, replica.spec.service))
        life.kill(signal.SIGCONT)
        world.note(f"the process of {name} goes on")
        await world.recovered()
    await _leave(world, others)


@injury("rebalance", long=100, short=4)
async def rebalance(world: World, times: int) -> None:
    """Replicas of every service join and leave, in order and by `kill -9`."""
    for _ in range(times):
        name = world.random.choice(NAMES)
        replicas = world.replicas[name]
        joins = len(replicas) == 1 or (
            len(replicas) < MOST_REPLICAS and world.random.random() < 0.5
        )
        if joins:
            world.note(f"a replica of {name} joins")
            world.add_replica(name)
        elif world.random.random() < 0.5:
            world.note(f"a replica of {name} leaves")
            await world.remove_replica(world.random.choice(replicas))
        else:
            world.note(f"a replica of {name} is killed and comes again")
            life = world.random.choice(replicas).present
            if life is not None:
                life.kill(signal.SIGKILL)
        await asyncio.sleep(world.random.uniform(0.2, BETWEEN_S))
    await world.recovered()
    await _leave(world, [one for replicas in world.replicas.values() for one in replicas[1:]])


async def _leave(world: World, replicas: Collection[Replica]) -> None:
    """All at once: the lanes and partitions of the one do not wait for the end of another."""
    async with asyncio.TaskGroup() as tasks:
        for replica in replicas:
            tasks.create_task(world.remove_replica(replica))


async def _unsaid(world: World, service: str) -> str:
    """More comes all the time, but of an outbox whose lanes are held by others it is soon sent."""
    found = await world.progress(service)
    return f"nobody publishes it: {found}" if found.outbox else ""


async def _locks_waited_for(world: World, service: str) -> list[str]:
    """Statements of the service that have waited for another session for longer than a
    transaction may take.
    """
    connection = await asyncpg.connect(world.ground.database_url)
    try:
        rows = await connection.fetch(
            "select left(query, 60) as query from pg_stat_activity"
            " where usename = $1 and cardinality(pg_blocking_pids(pid)) > 0"
            " and query_start < now() - make_interval(secs => $2)",
            f"steward_{service}",
            world.options.session_ms / 1000,
        )
    finally:
        await connection.close()
    return [row["query"] for row in rows]
