"""What the log says, page by page, and of one person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.audit import store
from services.audit.domain.entries import EntryFilter, StoredEntry
from services.audit.domain.history import History, history
from services.audit.store import search
from services.audit.store.search import Survey, searching
from shared.runtime.database import Connection, Pool

PAGE_SIZE = 1_000
"""Entries per page of a reading: few enough to stay small, many enough to be fast."""

WINDOW: Final = 1_000_000
"""So many entries at most are looked through for a page, so that no statement takes long where a
filter leaves little and no index knows it.
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries that were asked for, perhaps none, and how far the log is looked through with them:
    whoever goes on after that number misses nothing.
    """

    entries: Sequence[StoredEntry]
    through: int


async def read_pages(
    pool: Pool, asked: EntryFilter, *, after: int = -1, before: int | None = None
) -> AsyncIterator[Page]:
    """The entries `after < sequence < before`, else to the present end of the log, page by page.

    Each page is a transaction of its own: nothing is held open while a reader is slow, and memory
    stays the same for any length of log. The next page is fetched while one is worked on.
    """
    if before is None:
        async with searching(pool) as connection:
            before = await search.log_size(connection)
    end = before
    if after + 1 >= end:
        return
    fetching = asyncio.ensure_future(_page(pool, asked, after, end))
    try:
        while True:
            page = await fetching
            if page.through + 1 >= end:
                yield page
                return
            fetching = asyncio.ensure_future(_page(pool, asked, page.through, end))
            # Let the request go out before the processor is the reader's for a while.
            await asyncio.sleep(0)
            yield page
    finally:
        fetching.cancel()


async def _page(pool: Pool, asked: EntryFilter, after: int, end: int) -> Page:
    before = min(after + 1 + WINDOW, end)
    async with searching(pool) as connection:
        entries = await search.page(connection, asked, after=after, before=before, most=PAGE_SIZE)
    return Page(entries, entries[-1].sequence if len(entries) == PAGE_SIZE else before - 1)


async def read_entries(
    pool: Pool, asked: EntryFilter, *, after: int = -1
) -> AsyncIterator[Sequence[StoredEntry]]:
    """The same, without pages in which nothing is."""
    async for page in read_pages(pool, asked, after=after):
        if page.entries:
            yield page.entries


async def survey(pool: Pool, asked: EntryFilter, *, after: int = -1) -> Survey:
    """How many entries after a place were asked for, and where the first and the last stand."""
    async with searching(pool) as connection:
        size = await search.log_size(connection)
        return await search.survey(connection, asked, after=after, before=size)


async def history_of(connection: Connection, subject_ids: Sequence[UUID]) -> History | None:
    """Everything that the log says of one person, who may be several subjects; None: nothing."""
    entries = await store.about(connection, subject_ids)
    if not entries:
        return None
    without_outcomes = history(subject_ids, entries, ())
    disclosures = {disclosure.disclosure_id for disclosure in without_outcomes.disclosures}
    return history(subject_ids, entries, await store.outcomes(connection, list(disclosures)))
