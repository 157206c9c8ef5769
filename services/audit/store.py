"""The log in PostgreSQL: entries in, entries out, in order."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.audit.domain.entries import EntryFilter, LogEntry, StoredEntry
from shared.runtime.database import Connection, queries

_sql = queries("queries.sql", __file__)


async def lock_head(connection: Connection) -> int:
    """How many entries the log has; nobody else appends until the transaction ends."""
    size: int = await _sql.lock_head(connection)
    return size


async def known_ids(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these entries the log has."""
    return {row["id"] async for row in _sql.known_ids(connection, ids=ids)}


async def append(connection: Connection, size: int, entries: Sequence[LogEntry]) -> None:
    """Put entries at the end of a log of this size, which the caller has locked."""
    await _sql.append(
        connection,
        sequences=list(range(size, size + len(entries))),
        ids=[entry.id for entry in entries],
        topic_offsets=[entry.topic_offset for entry in entries],
        types=[entry.type for entry in entries],
        ats=[entry.at for entry in entries],
        actors=[entry.actor for entry in entries],
        subject_ids=[entry.subject_id for entry in entries],
        recipients=[entry.recipient for entry in entries],
        purposes=[entry.purpose for entry in entries],
        event_ids=[entry.event_id for entry in entries],
        disclosure_ids=[entry.disclosure_id for entry in entries],
        categories=[",".join(entry.categories) for entry in entries],
        bodies=[entry.body for entry in entries],
    )
    await _sql.grow_head(connection, size=size + len(entries))


async def page(
    connection: Connection, asked: EntryFilter, *, after: int, size: int
) -> list[StoredEntry]:
    """The next entries after a place in the log, at most `size`, in order."""
    rows = _sql.page(connection, after=after, page_size=size, **_arguments(asked))
    return [StoredEntry(row["sequence"], row["body"]) async for row in rows]


async def count(connection: Connection, asked: EntryFilter, *, after: int) -> int:
    """How many entries there are after a place in the log."""
    number: int = await _sql.count_matching(connection, after=after, **_arguments(asked))
    return number


async def about(connection: Connection, subject_ids: Sequence[UUID]) -> list[StoredEntry]:
    """Every entry about one person, who may be several subjects, in order."""
    rows = _sql.about_subjects(connection, subject_ids=subject_ids)
    return [StoredEntry(row["sequence"], row["body"]) async for row in rows]


async def outcomes(connection: Connection, disclosure_ids: Sequence[UUID]) -> list[StoredEntry]:
    """The last word on each of these disclosures: delivered, or failed."""
    rows = _sql.outcomes_of(connection, disclosure_ids=disclosure_ids)
    return [StoredEntry(row["sequence"], row["body"]) async for row in rows]


def _arguments(asked: EntryFilter) -> dict[str, object]:
    return {
        "since": asked.since,
        "until": asked.until,
        "subject_id": asked.subject_id,
        "recipient": asked.recipient,
        "event_id": asked.event_id,
    }
