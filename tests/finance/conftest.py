"""The finance service at work."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.finance.handlers import Handlers
from tests.conftest import SettingsFactory
from tests.support.work import NO_KAFKA, Work, at_work


@pytest.fixture
async def work(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    settings = service_settings("finance", kafka_bootstrap_servers=NO_KAFKA)
    async with at_work(settings, "finance") as work:
        yield work


@pytest.fixture
async def registration_at_work(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    """The service that seals what finance opens."""
    settings = service_settings("registration", kafka_bootstrap_servers=NO_KAFKA)
    async with at_work(settings, "registration") as work:
        yield work


@pytest.fixture
def handlers(work: Work) -> Handlers:
    return Handlers(work.parts.privacy)
