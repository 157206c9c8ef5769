"""The log searched: what a filter leaves of it, a page at a time, or counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.audit.domain.entries import EntryFilter, StoredEntry
from services.audit.domain.paging import Bounds
from services.audit.store.sql import SQL
from shared.runtime.database import Connection, Pool

SURVEY_WITHIN_S: Final = 3_600.0
"""A log that takes longer to be counted is not waited for."""

# One statement says what matches, and these what is wanted of it: no value stands in any of them.
_MATCHING: Final = f"({SQL.matching.sql}) as matching"
PAGE: Final = f"select sequence, body from {_MATCHING} order by sequence limit $10"  # noqa: S608
_NEWEST: Final = f"select sequence, body from {_MATCHING} order by sequence desc limit $10"  # noqa: S608
SURVEY: Final = (
    "select type, count(*) as many, min(sequence) as first, max(sequence) as last"  # noqa: S608
    f" from {_MATCHING} group by type order by type"
)


@dataclass(frozen=True, slots=True)
class Survey:
    """How many entries a filter leaves, of which types, and between which numbers they stand."""

    by_type: dict[str, int]
    first: int | None
    last: int | None

    @property
    def total(self) -> int:
        """All types together."""
        return sum(self.by_type.values())


@asynccontextmanager
async def searching(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction for what follows. Keep it short: it sees the log as it was at its first look,
    and no dead row of any table is cleared away meanwhile.
    """
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await SQL.plan_for_values(connection)
        yield connection


async def log_size(connection: Connection) -> int:
    """How many entries there are. Those before are there, whoever appends meanwhile."""
    size: int = await SQL.log_size(connection)
    return size


async def page(
    connection: Connection, asked: EntryFilter, *, after: int, before: int, most: int
) -> list[StoredEntry]:
    """The first of the entries that were asked for, `after < sequence < before`, in order."""
    rows = await connection.fetch(PAGE, *arguments(asked, after, before), most)
    return [StoredEntry(sequence, body) for sequence, body in rows]


async def newest(
    connection: Connection, asked: EntryFilter, *, after: int, before: int, most: int
) -> list[StoredEntry]:
    """The last of them, the newest first."""
    rows = await connection.fetch(_NEWEST, *arguments(asked, after, before), most)
    return [StoredEntry(sequence, body) for sequence, body in rows]


async def bounds_of(
    connection: Connection, since: datetime | None, until: datetime | None
) -> Bounds:
    """Between which numbers the entries of a span of time stand; of none where there are none."""
    row = await SQL.bounds_of_time(connection, since=since, until=until)
    return Bounds(0, 0) if row["first"] is None else Bounds(row["first"], row["last"] + 1)


async def survey(connection: Connection, asked: EntryFilter, *, after: int, before: int) -> Survey:
    """All the entries that were asked for, `after < sequence < before`, counted.

    It takes as long as reading them does at the server: some seconds of ten million.
    """
    await SQL.take_time(connection)
    rows = await connection.fetch(SURVEY, *arguments(asked, after, before), timeout=SURVEY_WITHIN_S)
    return Survey(
        {row["type"]: row["many"] for row in rows},
        min((row["first"] for row in rows), default=None),
        max((row["last"] for row in rows), default=None),
    )


def arguments(asked: EntryFilter, after: int, before: int) -> tuple[object, ...]:
    """What each of these statements is given, in the order in which they have it."""
    return (
        after,
        before,
        asked.since,
        asked.until,
        asked.subject_ids,
        asked.recipient,
        asked.event_id,
        _words(asked) or None,
        asked.readings_since,
    )


def _words(asked: EntryFilter) -> list[str]:
    """As the function `words_of` writes them for an entry."""
    named = {"type": asked.type, "actor": asked.actor, "purpose": asked.purpose}
    words = [f"{name}:{value}" for name, value in named.items() if value is not None]
    return words if asked.category is None else [*words, asked.category]
