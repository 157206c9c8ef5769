"""The consent service at work."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.consent.handlers import Handlers
from services.consent.subscribers import subscriptions
from shared.messaging.service import Service
from tests.conftest import SettingsFactory
from tests.support.work import Work, service_at_work


@pytest.fixture
async def work(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "consent") as work:
        yield work


@pytest.fixture
async def intake(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    """Registration, whose facts it hears."""
    async with service_at_work(service_settings, "registration") as work:
        yield work


@pytest.fixture
def handlers(work: Work) -> Handlers:
    return Handlers(work.parts.privacy)


@pytest.fixture
def service(work: Work) -> Service:
    return work.parts.service(work.settings, subscriptions(work.parts.privacy))


@pytest.fixture
async def administrator(database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(database, server_settings={"search_path": "consent"})
    yield connection
    await connection.close()
