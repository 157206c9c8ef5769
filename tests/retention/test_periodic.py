"""What the retention service does without being asked."""

from __future__ import annotations

import asyncio

import asyncpg
import orjson

from services.retention.app import NAME, open_service
from services.retention.settings import Settings
from shared.runtime.application import Loop, LoopFunction
from shared.runtime.health import Heartbeats
from tests.conftest import SettingsFactory
from tests.support.work import NO_KAFKA

ATTEMPT = """insert into keyring.access_attempt
    (role, category, purpose, minute, refused_by, attempts)
    values ('steward_finance', 'diet', 'invoicing', now() - interval '2 minutes', 'keyring', 7)"""
LEFT = "select count(*) from keyring.access_attempt"


async def test_refused_accesses_reach_the_log_by_themselves(
    service_settings: SettingsFactory, database: str
) -> None:
    settings = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)
    assert isinstance(settings, Settings)
    administrator = await asyncpg.connect(database)
    await administrator.execute(ATTEMPT)
    stopping, heartbeats = asyncio.Event(), Heartbeats()
    async with open_service(settings) as service, asyncio.TaskGroup() as running:
        for name, work in service.loops.items():
            heartbeats.expect(name, 30)
            running.create_task(_run(work, Loop(name, heartbeats, stopping)))
        while await administrator.fetchval(LEFT):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        stopping.set()
    (row,) = await administrator.fetch("select headers, value from retention.outbox")
    entry = orjson.loads(row["value"])
    assert (entry["actor"], entry["service"]) == ("service:finance", "retention")
    assert (entry["categories"], entry["attempts"]) == (["diet"], 7)
    await administrator.close()


async def _run(work: LoopFunction, loop: Loop) -> None:
    await work(loop)
