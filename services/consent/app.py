"""Puts the consent service together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.consent.settings import Settings
from services.consent.subscribers import subscriptions
from shared.assembly import open_parts
from shared.messaging.service import Service

NAME = "consent"


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """The service with its real parts."""
    async with open_parts(settings, service=NAME) as parts:
        yield parts.service(settings, subscriptions(parts.privacy))
