"""Messages that wait, whole and sealed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.registration.store.sql import SQL
from shared.contract.types import Sealed
from shared.runtime.database import Connection


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that begins to wait. `registration` is the number that it brings itself."""

    topic: str
    partition: int
    request: str
    source: str
    awaits_event: bytes | None
    awaits_registration: bytes | None
    registration: bytes | None
    sealed: Sealed
    since: datetime


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message that waits, or did until now, as it is kept."""

    id: int
    topic: str
    partition: int
    sealed: Sealed
    since: datetime


@dataclass(frozen=True, slots=True)
class Expired:
    """A message that waited in vain: enough of it to answer with a no, without opening it."""

    id: int
    topic: str
    partition: int
    request: str
    source: str
    registration: bytes | None
    awaited_registration: bool


async def add_waiting(connection: Connection, rows: Sequence[Waiting]) -> None:
    """Let messages wait, in this order behind all that wait already."""
    await SQL.add_waiting(
        connection,
        topics=[row.topic for row in rows],
        partitions=[row.partition for row in rows],
        requests=[row.request for row in rows],
        sources=[row.source for row in rows],
        events=[row.awaits_event for row in rows],
        registrations=[row.awaits_registration for row in rows],
        own=[row.registration for row in rows],
        bodies=[row.sealed for row in rows],
        since=[row.since for row in rows],
    )


async def waiting_for_events(
    connection: Connection, references: Collection[bytes], most: int
) -> list[KeptMessage]:
    """Up to `most` messages that wait for these events, the oldest first; they go on waiting."""
    return await _kept(SQL.waiting_for_events(connection, references_=list(references), most=most))


async def take_waiting_for_events(
    connection: Connection, references: Collection[bytes], most: int
) -> list[KeptMessage]:
    """Take out up to `most` messages that wait for these events, the oldest first."""
    return await _kept(
        SQL.take_waiting_for_events(connection, references_=list(references), most=most)
    )


async def take_waiting_for_registrations(
    connection: Connection, references: Collection[bytes], most: int
) -> list[KeptMessage]:
    """Take out up to `most` messages that wait for these registrations, the oldest first."""
    return await _kept(
        SQL.take_waiting_for_registrations(connection, references_=list(references), most=most)
    )


async def _kept(rows: AsyncIterator[asyncpg.Record]) -> list[KeptMessage]:
    kept = [
        KeptMessage(
            row["id"],
            row["topic"],
            row["partition"],
            Sealed(row["sealed"]),
            row["waits_since"],
        )
        async for row in rows
    ]
    return sorted(kept, key=lambda row: row.id)


async def any_waited_since(connection: Connection, before: datetime) -> bool:
    """Whether a message has waited since `before` or longer."""
    waited: bool = await SQL.any_waited_since(connection, before=before)
    return waited


async def take_expired(connection: Connection, before: datetime, most: int) -> list[Expired]:
    """Take out up to `most` messages that have waited since `before` or longer, and still do not
    have what they wait for.
    """
    rows = SQL.take_expired(connection, before=before, most=most)
    expired = [
        Expired(
            row["id"],
            row["topic"],
            row["partition"],
            row["request"],
            row["source"],
            row["registration"],
            row["knows_event"],
        )
        async for row in rows
    ]
    return sorted(expired, key=lambda row: row.id)


async def ready_events(connection: Connection, most: int) -> list[bytes]:
    """Events that are known while messages still wait for them."""
    return [row["reference"] async for row in SQL.ready_events(connection, most=most)]


async def ready_registrations(connection: Connection, most: int) -> list[bytes]:
    """Registrations that are known while messages still wait for them."""
    return [row["reference"] async for row in SQL.ready_registrations(connection, most=most)]
