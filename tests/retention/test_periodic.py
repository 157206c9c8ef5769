"""What the retention service does without being asked."""

from __future__ import annotations

import asyncio

import asyncpg
import orjson

from services.retention.app import NAME, open_service
from shared.runtime.application import Loop
from shared.runtime.health import Heartbeats
from tests.conftest import SettingsFactory
from tests.support.work import NO_KAFKA

ATTEMPT = """insert into keyring.access_attempt
    (role, category, purpose, minute, refused_by, attempts)
    values ('steward_finance', 'diet', 'invoicing', now() - interval '2 minutes', 'keyring', 7)"""


async def test_refused_accesses_reach_the_log_by_themselves(
    service_settings: SettingsFactory, database: str
) -> None:
    settings = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)
    administrator = await asyncpg.connect(database)
    await administrator.execute(ATTEMPT)
    async with open_service(settings) as service:
        for name in ("report-attempts", "retire-aliases"):
            heartbeats, stopping = Heartbeats(), asyncio.Event()
            heartbeats.expect(name, 30)
            loop = Loop(name, heartbeats, stopping)
            running = asyncio.create_task(service.loops[name](loop))
            while heartbeats.not_ready():  # noqa: ASYNC110 - it says that all is well when it is
                await asyncio.sleep(0.01)
            stopping.set()
            await running
    (row,) = await administrator.fetch("select headers, value from retention.outbox")
    entry = orjson.loads(row["value"])
    assert (entry["actor"], entry["service"]) == ("service:finance", "retention")
    assert (entry["categories"], entry["attempts"]) == (["diet"], 7)
    assert await administrator.fetchval("select count(*) from keyring.access_attempt") == 0
    await administrator.close()
