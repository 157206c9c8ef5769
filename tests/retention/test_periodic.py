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
LONG_ERASED = """with one as (
    insert into keyring.subject (subject_id, erased_at)
    values (gen_random_uuid(), now() - interval '4 years') returning subject_id)
    insert into keyring.alias (digest, subject_id, kind, pepper)
    select sha256('a'), subject_id, 'email', 'p' from one"""
LEFT = """select (select count(*) from keyring.access_attempt)
    + (select count(*) from keyring.alias) + (select count(*) from keyring.erased_alias)
    + (select 1 - count(*) from retention.rescheduling where done)"""


async def test_attempts_are_told_the_long_erased_forgotten_and_the_plan_followed_by_itself(
    service_settings: SettingsFactory, database: str
) -> None:
    settings = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA, periodic_interval_s=0.1)
    assert isinstance(settings, Settings)
    administrator = await asyncpg.connect(database)
    await administrator.execute(ATTEMPT)
    await administrator.execute(LONG_ERASED)
    stopping, heartbeats = asyncio.Event(), Heartbeats()
    async with open_service(settings) as service, asyncio.TaskGroup() as running:
        for name, work in service.loops.items():
            heartbeats.expect(name, 30)
            running.create_task(_run(work, Loop(name, heartbeats, stopping)))
        while await administrator.fetchval(LEFT):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        stopping.set()
    rows = await administrator.fetch("select value from retention.outbox")
    entries = [orjson.loads(row["value"]) for row in rows]
    (entry,) = (one for one in entries if "attempts" in one)
    (forgotten,) = (one for one in entries if "aliases" in one)
    assert (forgotten["aliases"], forgotten["actor"]) == (1, "service:retention")
    assert (entry["actor"], entry["service"]) == ("service:finance", "retention")
    assert (entry["categories"], entry["attempts"]) == (["diet"], 7)
    await administrator.close()


async def _run(work: LoopFunction, loop: Loop) -> None:
    await work(loop)
