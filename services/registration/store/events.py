"""Events on offer, and the locks that stand for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

import asyncpg

from services.registration.domain.events import Event
from services.registration.store.sql import SQL
from shared.contract.inbound import EventAnnounced
from shared.contract.types import EventId
from shared.runtime.database import Connection

_BUCKETS: Final = 1024
"""Locks that stand for events; a batch holds so many at most, and Postgres has room for more."""


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """An event with its reference, and whether earlier messages still wait to be handled for it."""

    event: Event
    reference: bytes
    has_backlog: bool


async def lock_events(connection: Connection, references: Iterable[bytes]) -> None:
    """Hold these events, known or not yet, until the transaction ends."""
    buckets = sorted({int.from_bytes(reference[:4]) % _BUCKETS for reference in references})
    if buckets:
        await SQL.lock_events(connection, buckets=buckets)


async def events_by_reference(
    connection: Connection, references: Collection[bytes]
) -> dict[bytes, KnownEvent]:
    """Events by their references; no entry for one that nobody announced."""
    if not references:
        return {}
    rows = await _known(SQL.events_by_reference(connection, references_=list(references)))
    return {row.reference: row for row in rows}


async def events_by_id(
    connection: Connection, ids: Collection[EventId]
) -> dict[EventId, KnownEvent]:
    """Events by their ids."""
    if not ids:
        return {}
    rows = await _known(SQL.events_by_id(connection, ids=list(ids)))
    return {row.event.id: row for row in rows}


async def keep_events(connection: Connection, events: Mapping[bytes, Event], now: datetime) -> None:
    """Write events as they are now, new ones and changed ones, by their references."""
    kept = sorted(events.items())
    await SQL.keep_events(
        connection,
        ids=[event.id for _, event in kept],
        sources=[event.source for _, event in kept],
        numbers=[event.offer.event_number for _, event in kept],
        references_=[reference for reference, _ in kept],
        versions=[event.version for _, event in kept],
        sequences=[event.sequence for _, event in kept],
        statuses=[event.status for _, event in kept],
        ends_at=[event.offer.ends_at for _, event in kept],
        offers=[event.offer.model_dump_json() for _, event in kept],
        capacities=[event.offer.capacity for _, event in kept],
        taken=[event.places_taken for _, event in kept],
        waitlisted=[event.waitlisted for _, event in kept],
        last=[event.last_in_line for _, event in kept],
        cancelled=[event.cancelled_at for _, event in kept],
        now=now,
    )


async def keep_counts(connection: Connection, events: Iterable[Event]) -> None:
    """Write how many places of these events are taken now."""
    kept = sorted(events, key=lambda event: event.id)
    if kept:
        await SQL.keep_counts(
            connection,
            ids=[event.id for event in kept],
            taken=[event.places_taken for event in kept],
            waitlisted=[event.waitlisted for event in kept],
            last=[event.last_in_line for event in kept],
        )


async def events_to_end(connection: Connection, now: datetime, most: int) -> list[bytes]:
    """References of open events whose end has passed."""
    rows = SQL.events_to_end(connection, now=now, most=most)
    return [row["reference"] async for row in rows]


async def events_to_clear(connection: Connection, most: int) -> list[bytes]:
    """References of cancelled events that still have registrations."""
    return [row["reference"] async for row in SQL.events_to_clear(connection, most=most)]


async def all_events(connection: Connection) -> list[KnownEvent]:
    """Every event, the one that ends first first."""
    return await _known(SQL.event_list(connection))


async def events_named(connection: Connection, name: str) -> list[KnownEvent]:
    """Events with this number or id."""
    try:
        id_ = UUID(name)
    except ValueError:
        id_ = None
    return await _known(SQL.event_named(connection, number=name, id=id_))


async def _known(rows: AsyncIterator[asyncpg.Record]) -> list[KnownEvent]:
    return [KnownEvent(_event(row), row["reference"], row["has_backlog"]) async for row in rows]


@lru_cache(maxsize=256)
def _offer(text: str) -> EventAnnounced:
    return EventAnnounced.model_validate_json(text)


def _event(row: asyncpg.Record) -> Event:
    return Event(
        id=row["id"],
        source=row["source"],
        version=row["version"],
        sequence=row["sequence"],
        status=row["status"],
        offer=_offer(row["offer"]),
        places_taken=row["places_taken"],
        waitlisted=row["waitlisted"],
        last_in_line=row["last_in_line"],
        cancelled_at=row["cancelled_at"],
    )
