"""The log in PostgreSQL: entries in, entries out, in order."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.audit.domain.entries import LogEntry, StoredEntry
from services.audit.store.sql import SQL
from shared.runtime.database import Connection

_COLUMNS = ("sequence", *LogEntry._fields)


async def known_bodies(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The bytes of those of these entries that the log has: mostly none."""
    known = await SQL.known_ids(connection, ids=ids)
    if not known:
        return {}
    return {row["id"]: row["body"] async for row in SQL.bodies_by_id(connection, ids=known)}


async def append(connection: Connection, size: int, entries: Sequence[LogEntry]) -> None:
    """Put entries at the end of a log of this size, which the caller has locked."""
    # COPY takes two thirds of the time of an insert from arrays; aiosql has none.
    await connection.copy_records_to_table(
        "entry",
        columns=_COLUMNS,
        records=[(size + place, *entry) for place, entry in enumerate(entries)],
    )


async def bodies(connection: Connection, begin: int, most: int) -> list[bytes]:
    """The bytes of entries from a place on, in order."""
    found: list[bytes] = await SQL.bodies(connection, first=begin, most=most)
    return found


async def about(connection: Connection, subject_ids: Sequence[UUID]) -> list[StoredEntry]:
    """Every entry about one person, who may be several subjects, in order."""
    rows = SQL.about_subjects(connection, subject_ids=subject_ids)
    return [StoredEntry(row["sequence"], row["body"]) async for row in rows]


async def outcomes(connection: Connection, disclosure_ids: Sequence[UUID]) -> list[StoredEntry]:
    """The last word on each of these disclosures: delivered, or failed."""
    rows = SQL.outcomes_of(connection, disclosure_ids=disclosure_ids)
    return [StoredEntry(row["sequence"], row["body"]) async for row in rows]
