"""What the log says, page by page, and of one person."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.audit import store
from services.audit.domain.entries import EntryFilter, StoredEntry
from services.audit.domain.history import History, history
from services.audit.store import search
from services.audit.store.search import Survey, searching
from shared.privacy.plan import Plan
from shared.runtime.database import Connection, Pool

PAGE_SIZE = 2_000
"""Entries per page of a reading: few enough to stay small, many enough to be fast."""

WINDOW: Final = 1_000_000
"""So many entries at most are looked through for a page, so that no statement takes long where a
filter leaves little and no index knows it.
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where to look for what was asked for: `after < sequence < before`, in a log of a size."""

    after: int
    before: int
    size: int


@dataclass(frozen=True, slots=True)
class Page:
    """Entries that were asked for, perhaps none, and how far the log is looked through with them:
    whoever goes on after that number misses nothing.
    """

    entries: Sequence[StoredEntry]
    through: int


async def reach_of(pool: Pool, asked: EntryFilter, *, after: int = -1) -> Reach:
    """From a place in the log to its present end or, of a span of time, to where it lies.

    Times only roughly follow the log: page by page, in its order, all that stands before the span
    would be read.
    """
    async with searching(pool) as connection:
        size = await search.log_size(connection)
        if asked.since is None and asked.until is None:
            return Reach(after, size, size)
        found = await search.survey(connection, asked, after=after, before=size)
    if found.first is None or found.last is None:
        return Reach(size - 1, size, size)
    return Reach(found.first - 1, found.last + 1, size)


async def read_pages(pool: Pool, asked: EntryFilter, reach: Reach) -> AsyncIterator[Page]:
    """The entries that were asked for, in order.

    Each page is a transaction of its own, and none is fetched ahead: nothing is held open while a
    reader is slow, and memory stays the same for any length of log.
    """
    after = reach.after
    while after + 1 < reach.before:
        before = min(after + 1 + WINDOW, reach.before)
        async with searching(pool) as connection:
            found = await search.page(connection, asked, after=after, before=before, most=PAGE_SIZE)
        after = found[-1].sequence if len(found) == PAGE_SIZE else before - 1
        yield Page(found, after if after + 1 < reach.before else reach.size - 1)


async def read_entries(
    pool: Pool, asked: EntryFilter, *, after: int = -1
) -> AsyncIterator[Sequence[StoredEntry]]:
    """The entries after a place in the log, page by page, to its present end."""
    async for page in read_pages(pool, asked, await reach_of(pool, asked, after=after)):
        if page.entries:
            yield page.entries


async def survey(pool: Pool, asked: EntryFilter, *, after: int = -1) -> Survey:
    """How many entries after a place were asked for, and where the first and the last stand."""
    async with searching(pool) as connection:
        size = await search.log_size(connection)
        return await search.survey(connection, asked, after=after, before=size)


async def entry_of(pool: Pool, sequence: int) -> StoredEntry:
    """The entry with this number, which there is."""
    async with searching(pool) as connection:
        (entry,) = await search.page(
            connection, EntryFilter(), after=sequence - 1, before=sequence + 1, most=1
        )
        return entry


def readings_told_since(plan: Plan, now: datetime) -> datetime:
    """From when on the log tells who read somebody's data: those of earlier days are told no more,
    since their accountability period is over. What else is said of a person is told as long as an
    alias leads to them.
    """
    zone = ZoneInfo(plan.organisation.time_zone)
    first = plan.accountability.first_reading_told(now.astimezone(zone).date())
    return datetime.combine(first, time.min, zone)


async def history_of(
    connection: Connection, subject_ids: Sequence[UUID], *, readings_since: datetime
) -> History | None:
    """Everything that the log tells of one person, who may be several subjects; None: nothing."""
    entries = await store.about(connection, subject_ids)
    if not entries:
        return None
    without_outcomes = history(subject_ids, entries, ())
    disclosures = {disclosure.disclosure_id for disclosure in without_outcomes.disclosures}
    outcomes = await store.outcomes(connection, list(disclosures))
    told = history(subject_ids, entries, outcomes).with_readings_since(readings_since)
    return None if told.tells_nothing else told
