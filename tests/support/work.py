"""A service's handlers at work on a real database, without Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from shared.assembly import Parts, open_parts
from shared.contract.message import Message
from shared.messaging.subscription import Handler
from shared.messaging.unit_of_work import Transaction
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.facts import NOON

NO_KAFKA = "127.0.0.1:1"


@dataclass(frozen=True)
class Fact:
    """What was said, as it stands in the outbox."""

    type: str
    key: UUID | None
    data: dict[str, Any]


@dataclass(frozen=True)
class Effect:
    """What became of one call of a handler."""

    said: list[Fact]
    at_fault: list[str]
    """Reason codes of messages that were marked as dead letters."""
    had: int
    """Messages that the handler knew."""


@dataclass(frozen=True)
class Work:
    """One service: its parts, and calls of its handlers in transactions of their own."""

    service: str
    settings: ServiceSettings
    parts: Parts

    async def do(
        self, handler: Handler, messages: Sequence[Message[Any]], *, now: datetime = NOON
    ) -> Effect:
        async with self.parts.work(now=now) as transaction:
            await handler(transaction, messages)
        return _effect(transaction)

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        return await self.parts.pool.fetch(query, *arguments)

    async def value(self, query: str, *arguments: object) -> Any:  # noqa: ANN401 - a column's own type
        return await self.parts.pool.fetchval(query, *arguments)


def _effect(transaction: Transaction) -> Effect:
    said = []
    for encoded in transaction.said:
        key = None if encoded.key is None else UUID(encoded.key.decode())
        said.append(Fact(encoded.headers["ce_type"], key, orjson.loads(encoded.value)))
    had = sum(outcome == "duplicate" for _, outcome in transaction.outcomes)
    return Effect(said, [marked.reason for marked in transaction.marked], had)


@asynccontextmanager
async def at_work(settings: ServiceSettings, service: str) -> AsyncIterator[Work]:
    async with open_parts(settings, service=service) as parts:
        yield Work(service, settings, parts)


@asynccontextmanager
async def service_at_work(make: SettingsFactory, service: str) -> AsyncIterator[Work]:
    """As a test's settings have it, without Kafka."""
    async with at_work(make(service, kafka_bootstrap_servers=NO_KAFKA), service) as work:
        yield work
