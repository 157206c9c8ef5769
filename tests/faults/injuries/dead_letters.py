"""Messages fail, others wait behind them, and all are redriven while more of the same come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.faults.operator import steward, until_nothing
from tests.faults.registry import injury
from tests.faults.world import World

DEAD, PARKED = 10, 5
"""At least so many fail, and wait behind them, before anything is redriven."""

# One registration of eight cannot be written: chosen by its reference, so always the same ones.
_BREAK = """
create function registration.refuse() returns trigger language plpgsql as
  $$ begin raise exception 'refused by a test'; end $$;
create trigger refuse before insert on registration.registration
  for each row when (get_byte(new.reference, 0) < 32) execute function registration.refuse();
"""
_MEND = "drop function registration.refuse cascade"


@injury("redrive", long=20, short=1)
async def redrive(world: World, times: int) -> None:
    """A fault makes dead letters; once mended all are redriven while more of the keys come."""
    for _ in range(times):
        async with _broken(world):
            await until_nothing(lambda: _too_few(world))
            failed = await _redrive(world, codes=(1,))
            world.note(f"before it is mended: {failed}")
        rounds = 0
        while await _standing(world):
            rounds += 1
            world.note(f"redriven: {await _redrive(world)}")
        world.note(f"nothing stands any more after {rounds} rounds")
        await world.recovered()


@asynccontextmanager
async def _broken(world: World) -> AsyncIterator[None]:
    connection = await asyncpg.connect(world.ground.database_url)
    try:
        await connection.execute(_BREAK)
        try:
            yield
        finally:
            await connection.execute(_MEND)
    finally:
        await connection.close()


async def _redrive(world: World, codes: tuple[int, ...] = (0,)) -> str:
    redriven = await steward(
        world, "dead-letters", "redrive", "--all", "--service", "registration", codes=codes
    )
    return redriven.out.split("\n", 1)[0]


async def _too_few(world: World) -> str:
    found = await world.progress("registration")
    return "" if found.dead >= DEAD and found.parked >= PARKED else str(found)


async def _standing(world: World) -> bool:
    found = await world.progress("registration")
    return bool(found.dead or found.parked)
