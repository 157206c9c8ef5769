"""The audit log's own parts, for tests that need no whole service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from services.audit.app import make_publisher
from services.audit.handlers.append import Appender
from services.audit.handlers.guard import Guard
from services.audit.handlers.identity import signing_key
from services.audit.handlers.publish import Publisher, Step, no_steps
from services.audit.handlers.tiles import TileWriter
from services.audit.settings import Settings
from services.audit.store.folder import TileFolder
from services.audit.store.published import Published, ReadTopic
from shared.contract.audit import DataDisclosed
from shared.contract.message import Message
from shared.messaging.subscription import Handler
from tests.support.entries import make_entry
from tests.support.facts import Facts
from tests.support.work import Work


async def empty_topic() -> Sequence[bytes]:
    """A topic in which nothing is."""
    return []


def settings_of(work: Work) -> Settings:
    return cast("Settings", work.settings)


def guard_of(work: Work, read_topic: ReadTopic = empty_topic) -> Guard:
    """As a process has it that was started just now."""
    verifier = signing_key(settings_of(work)).verifier()
    return Guard(Published(folder_of(work), verifier, read_topic))


def appending_to(work: Work, read_topic: ReadTopic = empty_topic) -> Handler:
    """The handler of a process that was started just now."""
    return Appender(signing_key(settings_of(work)), guard_of(work, read_topic)).append


def entries(facts: Facts, many: int) -> list[Message[Any]]:
    """So many entries, each of a disclosure of its own."""
    return [facts.message(make_entry(DataDisclosed)) for _ in range(many)]


async def append(work: Work, facts: Facts, many: int) -> None:
    """Append so many, as a process that was started just now."""
    await work.do(appending_to(work), entries(facts, many))


def folder_of(work: Work) -> TileFolder:
    """Where the log is published."""
    return TileFolder(settings_of(work).published_folder)


def publisher_of(work: Work, steps: Callable[[Step], None] = no_steps) -> Publisher:
    return make_publisher(settings_of(work), work.parts.work, guard_of(work), steps)


async def publish_all(work: Work, steps: Callable[[Step], None] = no_steps) -> None:
    """What a process that was started just now signs and publishes, until nothing is left."""
    publisher = publisher_of(work, steps)
    writer = TileWriter(folder_of(work), signing_key(settings_of(work)).verifier())
    writer.begin()
    async with work.parts.pool.acquire() as connection:
        publish = partial(publisher.publish_next, connection, writer)
        while await publish():
            pass
        await publisher.sign()
        while await publish():
            pass
