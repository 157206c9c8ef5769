"""Puts the audit service together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from services.audit.api.published import routes
from services.audit.handlers.append import Appender
from services.audit.handlers.guard import Guard
from services.audit.handlers.identity import signing_key
from services.audit.handlers.publish import Outlet, Publisher, Step, no_steps
from services.audit.handlers.witnesses import cosigner
from services.audit.settings import Settings
from services.audit.store.folder import TileFolder
from services.audit.store.published import Published
from services.audit.store.topic import last_checkpoints
from services.audit.subscribers import subscriptions
from shared.assembly import open_parts
from shared.messaging.service import Service
from shared.messaging.unit_of_work import Begin
from shared.runtime.database import connect_alone

NAME = "audit"


def make_publisher(
    settings: Settings, begin: Begin, guard: Guard, steps: Callable[[Step], None] = no_steps
) -> Publisher:
    """What signs and publishes in one process."""
    return Publisher(
        signing_key(settings),
        guard,
        Outlet(TileFolder(settings.published_folder), cosigner(settings)),
        partial(
            connect_alone,
            settings,
            service=NAME,
            idle_session_timeout_ms=settings.session_timeout_ms,
        ),
        begin,
        settings.audit_checkpoint_s,
        steps,
    )


def make_guard(settings: Settings) -> Guard:
    """What a process knows of what is published."""
    folder = TileFolder(settings.published_folder)
    read_topic = partial(last_checkpoints, settings.cluster)
    return Guard(Published(folder, signing_key(settings).verifier(), read_topic))


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """The service with its real parts."""
    async with open_parts(settings, service=NAME) as parts:
        guard = make_guard(settings)
        publisher = make_publisher(settings, parts.work, guard)
        yield parts.service(
            settings,
            subscriptions(Appender(signing_key(settings), guard)),
            {"tree": publisher.run},
            routes=routes(settings.published_folder),
        )
