"""The retention service at work."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.retention.handlers import Handlers
from tests.conftest import SettingsFactory
from tests.support.work import NO_KAFKA, Work, at_work


@pytest.fixture
async def work(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    settings = service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)
    async with at_work(settings, "retention") as work:
        yield work


@pytest.fixture
def handlers(work: Work) -> Handlers:
    return Handlers(work.parts.privacy.in_force)
