"""The retention service at work."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.retention.handlers import Handlers
from services.retention.handlers.rescheduling import Rescheduler
from tests.conftest import SettingsFactory
from tests.support.facts import NOON
from tests.support.work import Work, service_at_work


@pytest.fixture
async def work(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "retention") as work:
        yield work


@pytest.fixture
def handlers(work: Work) -> Handlers:
    return Handlers(work.parts.privacy.in_force)


async def follow(work: Work) -> None:
    """Let the schedule follow the plan in force, as the service's own loop does."""
    rescheduler = Rescheduler(work.parts.privacy.in_force)
    rows = 1
    while rows:
        async with work.parts.work(now=NOON) as tx:
            rows = await rescheduler.reschedule(tx)
