"""Work that time itself brings: it waits for a database that is away, and goes on by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from services.registration.app import NAME
from services.registration.handlers.expiring import Expiry
from shared.assembly import Parts, open_parts
from shared.messaging.periodic import keep_working
from shared.messaging.unit_of_work import Transaction, unit_of_work
from shared.runtime.application import Loop
from shared.runtime.health import Heartbeats
from shared.runtime.ids import new_id
from shared.runtime.log_ends import LogEnds
from shared.runtime.unavailable import UnavailableError
from tests.conftest import SettingsFactory
from tests.registration.conftest import Front
from tests.support.waiting import eventually
from tests.support.work import NO_KAFKA


async def _working(parts: Parts, answers: list[Exception | int], heartbeats: Heartbeats) -> None:
    """Let work answer like this, one call after the other, and stop after the last one."""
    stopping = asyncio.Event()

    async def work(_: Transaction) -> int:
        answer = answers.pop(0)
        if not answers:
            stopping.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    heartbeats.expect("work", 30)
    await keep_working(parts.work, work, 0.01, Loop("work", heartbeats, stopping))


async def test_work_waits_for_a_database_that_is_away(service_settings: SettingsFactory) -> None:
    settings = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)
    heartbeats = Heartbeats()
    async with open_parts(settings, service=NAME) as parts:
        away: list[Exception | int] = [ConnectionRefusedError(), ConnectionRefusedError()]
        working = asyncio.create_task(
            _working(parts, [*away, ConnectionRefusedError()], heartbeats)
        )
        missing = await eventually(heartbeats.not_ready)
        assert missing == {"work": "the database does not answer"}
        await working
        await _working(parts, [UnavailableError("waits for this")], heartbeats)
        assert heartbeats.not_ready() == {"work": "waits for this"}
        await _working(parts, [*away, 0], heartbeats)
        assert heartbeats.not_ready() == {}


async def test_where_the_log_ends_is_asked_only_where_something_waited_long_enough(
    front: Front,
) -> None:
    heartbeats, stopping = Heartbeats(), asyncio.Event()
    heartbeats.expect("expire-waiting", 30)
    seen: list[object] = []

    async def log_ends() -> LogEnds:
        seen.append(heartbeats.not_ready().get("expire-waiting"))
        if len(seen) == 1:
            raise ConnectionError
        stopping.set()
        return {"inbound.registrations": {0: front.offset}}

    begin = partial(unit_of_work, front.pool, service=NAME, ids=new_id)
    expiry = Expiry(begin, log_ends, now=lambda: front.now)
    await front.take(front.submitted(1))
    assert await expiry.decline_some() is False
    assert seen == []
    front.now += timedelta(days=1)
    await expiry.run(0.01, Loop("expire-waiting", heartbeats, stopping))
    assert seen == [None, "database or Kafka does not answer"]
    assert await front.outcomes() == {"refused": 1}


async def test_a_fault_of_its_own_ends_the_work(service_settings: SettingsFactory) -> None:
    settings = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)
    async with open_parts(settings, service=NAME) as parts:
        with pytest.raises(LookupError):
            await _working(parts, [LookupError()], Heartbeats())
