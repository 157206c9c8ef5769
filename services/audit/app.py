"""Puts the audit service together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.audit.settings import Settings
from services.audit.subscribers import subscriptions
from shared.assembly import open_parts
from shared.messaging.application import run_service
from shared.messaging.service import Service

NAME = "audit"


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """The service with its real parts."""
    async with open_parts(settings, service=NAME) as parts:
        yield Service(NAME, settings, parts.pool, parts.privacy, subscriptions())


async def run(settings: Settings) -> None:
    """Run until it is told to stop."""
    async with open_service(settings) as service:
        await run_service(service)
