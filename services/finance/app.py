"""Puts the finance service together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.finance.settings import Settings
from services.finance.subscribers import subscriptions
from shared.assembly import open_parts
from shared.messaging.application import build_application
from shared.messaging.service import Service

NAME = "finance"


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """The service with its real parts."""
    async with open_parts(settings, service=NAME) as parts:
        yield Service(NAME, settings, parts.pool, parts.privacy, subscriptions(parts.privacy))


async def run(settings: Settings) -> None:
    """Run until it is told to stop."""
    async with open_service(settings) as service:
        application = build_application(
            service.name,
            service.settings,
            pool=service.pool,
            sealer=service.sealer,
            subscriptions=service.subscriptions,
            loops=service.loops,
        )
        await application.run()
