"""What upstream sends is injured: sent again and again, or broken in every way."""

from __future__ import annotations

import asyncio
import re

import asyncpg
from aiokafka import AIOKafkaProducer

from services.cli.schemas import SERVICES
from tests.faults.hostile import CANARY, mutants
from tests.faults.registry import injury
from tests.faults.world import World
from tests.support.any_records import send_any
from tests.support.waiting import fetched

DAY = 1_000
"""Messages of a day that is sent again."""

AT_ONCE = 1_000
YEARS_LATER = 400
"""Days after today as of which the inbox is pruned: beyond all that it remembers."""


@injury("duplicates", long=1, short=1, quiet=True)
async def duplicates(world: World, times: int) -> None:
    """A day is sent twice, and once more when the inbox has forgotten it by its own rule."""
    for _ in range(times):
        day = world.load.some(DAY)
        world.note(f"a day of {DAY} messages is sent twice")
        await world.send(day)
        await world.send(day)
        await world.settle()
        await _prune_inboxes(world)
        world.model.forget_identities()
        world.note("the inboxes are pruned, and the day is sent once more")
        await world.send(day)


async def _prune_inboxes(world: World) -> None:
    """As the services do it every day, as of a day that is far away."""
    connection = await asyncpg.connect(world.ground.database_url)
    try:
        for service in SERVICES:
            await connection.execute(
                f"select {service}.keep_inbox((now() at time zone 'UTC')::date + $1::int, $2::int)",
                YEARS_LATER,
                40,
            )
            left = await connection.fetchval(f"select count(*) from {service}.inbox")  # noqa: S608
            assert left == 0, f"{service} remembers {left} messages"
    finally:
        await connection.close()


@injury("hostile-input", long=100_000, short=2_000, quiet=True)
async def hostile_input(world: World, times: int) -> None:
    """Mutations of valid messages, of their bytes, JSON, headers and types, among the load.

    Nothing stops, every message has an outcome, and no value of them is in logs, metrics or
    reasons. What is still valid is about events of its own.
    """
    world.witness.overlooks_strangers = True
    async with world.under_load():
        await _send_mutants(world, times)
        await world.recovered()
    await world.settle()
    await _tells_nothing(world)


async def _send_mutants(world: World, many: int) -> None:
    servers = world.ground.bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        waiting = []
        for number, mutant in enumerate(mutants(world.options.seed, many), 1):
            waiting.append(await send_any(producer, mutant.topic, mutant.record))
            if len(waiting) == AT_ONCE:
                await asyncio.gather(*waiting)
                waiting.clear()
                world.note(f"{number:,} hostile messages were sent")
        await asyncio.gather(*waiting)
    world.messages += many


async def _tells_nothing(world: World) -> None:
    canary = re.compile(CANARY, re.IGNORECASE)
    for log in (world.ground.folder / "logs").iterdir():
        found = canary.search(log.read_text("utf-8", "replace"))
        assert found is None, f"{log.name} has a value of a message"
    for replica in world.all_replicas():
        text = await fetched(f"http://127.0.0.1:{replica.port}/metrics")
        assert not canary.search(text), f"metrics of {replica.name} have a value of a message"
    connection = await asyncpg.connect(world.ground.database_url)
    try:
        for service in SERVICES:
            rows = await connection.fetch(
                f"select topic, type, reason, detail from {service}.dead_letter"  # noqa: S608
            )
            for row in rows:
                assert not canary.search(str(dict(row))), f"{service}: a reason has a value"
    finally:
        await connection.close()
