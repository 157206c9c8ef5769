"""What the log says, page by page, and of one person."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from services.audit import store
from services.audit.domain.entries import EntryFilter, StoredEntry
from services.audit.domain.history import History, history
from shared.runtime.database import Connection, Pool

PAGE_SIZE = 2_000
"""Entries per page of a reading: few enough to stay small, many enough to be fast."""


async def read_entries(
    pool: Pool, asked: EntryFilter, *, after: int = -1
) -> AsyncIterator[list[StoredEntry]]:
    """The entries after a place in the log, page by page, to its present end."""
    while True:
        async with pool.acquire() as connection:
            page = await store.page(connection, asked, after=after, size=PAGE_SIZE)
        if page:
            yield page
            after = page[-1].sequence
        if len(page) < PAGE_SIZE:
            return


async def history_of(connection: Connection, subject_ids: Sequence[UUID]) -> History | None:
    """Everything that the log says of one person, who may be several subjects; None: nothing."""
    entries = await store.about(connection, subject_ids)
    if not entries:
        return None
    without_outcomes = history(subject_ids, entries, ())
    disclosures = {disclosure.disclosure_id for disclosure in without_outcomes.disclosures}
    return history(subject_ids, entries, await store.outcomes(connection, list(disclosures)))
