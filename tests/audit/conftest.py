"""The audit service at work."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.facts import Facts
from tests.support.work import NO_KAFKA, Work, service_at_work


@pytest.fixture
async def work(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "audit") as work:
        yield work


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("audit", kafka_bootstrap_servers=NO_KAFKA)


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
async def administrator(database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(database, server_settings={"search_path": "audit"})
    yield connection
    await connection.close()
