"""Work that time itself brings: it waits for a database that is away, and goes on by itself."""

from __future__ import annotations

import asyncio

import pytest

from services.registration.app import NAME
from shared.assembly import Parts, open_parts
from shared.messaging.periodic import keep_working
from shared.messaging.unit_of_work import Transaction
from shared.runtime.application import Loop
from shared.runtime.health import Heartbeats
from shared.runtime.unavailable import UnavailableError
from tests.conftest import SettingsFactory
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


async def test_a_fault_of_its_own_ends_the_work(service_settings: SettingsFactory) -> None:
    settings = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)
    async with open_parts(settings, service=NAME) as parts:
        with pytest.raises(LookupError):
            await _working(parts, [LookupError()], Heartbeats())
