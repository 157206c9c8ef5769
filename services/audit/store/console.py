"""What the console shows of the log: a few rows at a time, counted by the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.audit.domain.disclosure_chart import DayCount
from services.audit.domain.entries import HANDED_OVER, REFUSED, StoredEntry
from services.audit.domain.recipient_history import Counted
from services.audit.store.sql import SQL, reading_bodies
from shared.runtime.database import Connection


@dataclass(frozen=True, slots=True)
class Period:
    """`since <= moment < until`, and the time zone whose days are meant, by its IANA name."""

    since: datetime
    until: datetime
    zone: str


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint as the database has it."""

    size: int
    root: bytes
    note: bytes
    signed_at: datetime


async def whole_entry(connection: Connection, sequence: int) -> asyncpg.Record | None:
    """One entry with all the columns that it is found by."""
    # Not through aiosql, whose rows of such a statement come in an iterator.
    return await connection.fetchrow(SQL.whole_page.sql, sequence, sequence + 1)


async def disclosures_per_day(
    connection: Connection, period: Period, recipient: str | None = None
) -> list[DayCount]:
    """How much was disclosed on which day to whom, or to one recipient; in no order.
    Raises SpoiledEntryError.
    """
    rows = SQL.disclosures_per_day(
        connection,
        since=period.since,
        until=period.until,
        zone=period.zone,
        recipient=recipient,
        handed_over=HANDED_OVER,
        refused=REFUSED,
    )
    with reading_bodies():
        return [
            DayCount(row["day"], row["recipient"], row["released"], row["refused"], row["withheld"])
            async for row in rows
        ]


async def disclosures_to(
    connection: Connection, recipient: str, period: Period, *, before: int, most: int
) -> list[Counted]:
    """Disclosures to one recipient whose first entry is before a number, the newest first.
    Raises SpoiledEntryError.
    """
    rows = SQL.disclosures_to(
        connection,
        recipient=recipient,
        since=period.since,
        until=period.until,
        before=before,
        page_size=most,
        handed_over=HANDED_OVER,
        refused=REFUSED,
    )
    with reading_bodies():
        return [
            Counted(
                row["disclosure_id"],
                StoredEntry(row["sequence"], row["body"]),
                row["released"],
                row["refused"],
                row["withheld"],
                row["unsure"],
            )
            async for row in rows
        ]


async def checkpoints_before(connection: Connection, size: int, most: int) -> list[KeptCheckpoint]:
    """Checkpoints of trees smaller than this, the largest first."""
    rows = SQL.checkpoints_before(connection, size=size, most=most)
    return [
        KeptCheckpoint(row["size"], row["root"], row["note"], row["signed_at"])
        async for row in rows
    ]
