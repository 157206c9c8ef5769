"""The short form: each kind of injury once or a few times, in one world, one after the other."""

from __future__ import annotations

import logging

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from tests.faults.answers import Difference
from tests.faults.injuries import FOUND
from tests.faults.run import rows_of
from tests.faults.world import Options, World, open_world
from tests.support.topics import read_topic

SEED = 20
SHORT = (
    *("service-dies", "postgres-dies", "stopped-too-long"),
    *("network", "redrive", "duplicates", "hostile-input"),
)
"""Those that other tests do not have. Hostile input last: what it leaves behind is about nobody
whom the load knows.
"""

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


async def test_no_injury_loses_doubles_or_reorders_an_effect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # That a server is away is what we are here for.
    caplog.set_level(logging.CRITICAL, logger="aiokafka")
    wanted = [(FOUND[name], FOUND[name].short) for name in SHORT]
    rows = [row async for row in rows_of(wanted, Options(seed=SEED, session_ms=2_000, away_s=1.0))]
    assert [row for row in rows if not row["passed"]] == []
    assert [row["injury"] for row in rows] == list(SHORT)


async def test_damage_done_on_purpose_is_found() -> None:
    async with open_world(Options(seed=SEED)) as world:
        await world.send(world.load.some(200))
        await world.settle()
        assert not await world.compare()
        await _damage_tables(world)
        await _say_a_fact_again_as_new(world)
        difference: Difference = await world.compare()
    assert len(difference.lost) == 2, difference.lost
    assert len(difference.doubled) == 2, difference.doubled


async def _damage_tables(world: World) -> None:
    """One row is gone, and one is wrong."""
    connection = await asyncpg.connect(world.ground.database_url)
    try:
        await connection.execute(
            "delete from finance.buyer where invoice_id ="
            " (select min(invoice_id::text)::uuid from finance.buyer)"
        )
        await connection.execute(
            "update retention.event_anchor set ends_on = ends_on + 1 where event_id ="
            " (select min(event_id::text)::uuid from retention.event_anchor)"
        )
    finally:
        await connection.close()


async def _say_a_fact_again_as_new(world: World) -> None:
    """The same fact under another id: what a batch that is done twice would say."""
    servers = world.ground.bootstrap_servers
    invoice = (await read_topic(servers, "finance", 8))[0]
    headers = [
        (name, b"another id" if name == "ce_id" else value) for name, value in invoice.headers
    ]
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        await producer.send_and_wait("finance", invoice.value, key=invoice.key, headers=headers)
