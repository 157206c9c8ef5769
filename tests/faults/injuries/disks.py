"""The disk of the broker's log, or that of `pg_wal`, is full; later there is room again."""

from __future__ import annotations

import asyncio

import asyncpg

from tests.faults.injuries.servers import all_tell
from tests.faults.registry import injury
from tests.faults.world import World

BETWEEN_S = 2.0
"""Load between two times."""

FULL_S = 10.0
"""So long it stays full at most after every service said so."""

SEGMENTS = 64
"""More of `pg_wal` than there is room for: Postgres makes a new one only when it needs one."""


@injury("disk-full", long=2, short=1, small_disks=True)
async def disk_full(world: World, times: int) -> None:
    """First the broker's log has no room left, then `pg_wal`; both die of it, or only refuse."""
    ground = world.ground
    for number in range(times):
        await asyncio.sleep(BETWEEN_S)
        kafkas = number % 2 == 0
        server, named = (ground.kafka, "Kafka") if kafkas else (ground.postgres, "database")
        disk = ground.disks["kafka" if kafkas else "postgres"]
        disk.fill()
        world.note(f"the disk of {server.name} is full")
        if not kafkas:
            await _use_up_segments(ground.database_url)
        await all_tell(world, named)
        await asyncio.sleep(min(world.options.away_s, FULL_S))
        disk.free()
        world.note(f"the disk of {server.name} has room again")
        await server.start()
        took = await world.recovered()
        world.note(f"all went on after {took:.1f} s")


async def _use_up_segments(database_url: str) -> None:
    """Have Postgres need a new segment now, not once the load has filled those that it has."""
    try:
        connection = await asyncpg.connect(database_url)
        try:
            for _ in range(SEGMENTS):
                await connection.execute("select pg_logical_emit_message(true, 'steward', 'full')")
                await connection.execute("select pg_switch_wal()")
        finally:
            await connection.close(timeout=1)
    except (asyncpg.PostgresError, OSError, TimeoutError):
        return  # it has no room, as it is meant to be
    raise AssertionError("Postgres still finds room for its log")
