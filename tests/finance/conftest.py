"""The finance service at work."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.finance.handlers import Handlers
from tests.conftest import SettingsFactory
from tests.support.work import Work, service_at_work


@pytest.fixture
async def work(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "finance") as work:
        yield work


@pytest.fixture
async def registration_at_work(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    """The service that seals what finance opens."""
    async with service_at_work(service_settings, "registration") as work:
        yield work


@pytest.fixture
def handlers(work: Work) -> Handlers:
    return Handlers(work.parts.privacy)
