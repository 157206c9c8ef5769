"""The audit log's own parts, for tests that need no whole service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from services.audit.app import make_publisher
from services.audit.handlers.append import Appender
from services.audit.handlers.guard import Guard
from services.audit.handlers.identity import signing_key
from services.audit.handlers.publish import Publisher, Step, no_steps
from services.audit.handlers.tiles import TileWriter
from services.audit.settings import Settings
from services.audit.store.folder import TileFolder
from services.audit.store.published import Published, ReadTopic
from shared.messaging.subscription import Handler
from tests.support.work import Work


async def empty_topic() -> Sequence[bytes]:
    """A topic in which nothing is."""
    return []


def settings_of(work: Work) -> Settings:
    return cast("Settings", work.settings)


def guard_of(work: Work, read_topic: ReadTopic = empty_topic) -> Guard:
    """As a process has it that was started just now."""
    settings = settings_of(work)
    folder = TileFolder(settings.published_folder)
    return Guard(Published(folder, signing_key(settings).verifier(), read_topic))


def appending_to(work: Work, read_topic: ReadTopic = empty_topic) -> Handler:
    """The handler of a process that was started just now."""
    return Appender(signing_key(settings_of(work)), guard_of(work, read_topic)).append


def publisher_of(work: Work, steps: Callable[[Step], None] = no_steps) -> Publisher:
    return make_publisher(settings_of(work), work.parts.work, guard_of(work), steps)


async def publish_all(work: Work, steps: Callable[[Step], None] = no_steps) -> None:
    """What a process that was started just now signs and publishes, until nothing is left."""
    publisher = publisher_of(work, steps)
    folder = TileFolder(settings_of(work).published_folder)
    writer = TileWriter(folder, signing_key(settings_of(work)).verifier())
    writer.begin()
    async with work.parts.pool.acquire() as connection:
        publish = partial(publisher.publish_next, connection, writer)
        while await publish():
            pass
        await publisher.sign()
        while await publish():
            pass
