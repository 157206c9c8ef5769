"""The log as the database has it, read for whoever verifies it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import asyncpg

from services.audit.domain.columns import fault_of
from services.audit.domain.merkle import Frontier
from services.audit.domain.tiles import WIDTH
from services.audit.domain.verification import Finding, Findings, Kept, UnverifiableError
from services.audit.store.set_aside import set_aside
from services.audit.store.sql import SQL
from shared.runtime.database import Connection

PAGE: Final = 4 * WIDTH
"""Entries in a statement: some megabytes, and a whole number of bundles."""

CHECKPOINTS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the head of the log says: so many entries, and the tree over the first of them."""

    size: int
    tree: Frontier


class Place(NamedTuple):
    """An entry, where it stands in the log, and where it stood in the topic."""

    sequence: int
    topic_offset: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Unsigned:
    """The end of a log of this size, from the last signed entry on, and of the topic: offsets from
    that entry's on, to all that is in the log.
    """

    first: int
    size: int
    begin: int
    end: int


class Connections(Protocol):
    """A pool, or what stands for one."""

    def acquire(self) -> AbstractAsyncContextManager[Connection]: ...


class OneConnection:
    """One connection for everybody, in turn: what is read is in its transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """The connection, when nobody else has it."""
        async with self._turn:
            yield self._connection


class DatabaseLog:
    """Pages, each a statement of its own: nothing is held open, whatever the length of the log.

    Entries never change, so that the pages up to a size are of one log although it grows.
    """

    where = "database"

    def __init__(self, pool: Connections, findings: Findings) -> None:
        self._pool = pool
        self._findings = findings

    async def claimed(self) -> Claimed:
        """How much there is. What contradicts itself is a finding."""
        async with self._pool.acquire() as connection:
            row = await SQL.claimed(connection)
        if row is None:
            raise UnverifiableError(Finding(self.where, "the row of the head is gone"))
        last = -1 if row["last_sequence"] is None else row["last_sequence"]
        if last >= row["size"]:
            self._findings.add(Finding(self.where, "it is behind the end of the log", entry=last))
        try:
            return Claimed(row["size"], Frontier(row["hashed"], tuple(row["frontier"])))
        except ValueError as error:
            raise UnverifiableError(Finding(self.where, f"the head: {error}")) from None

    async def entries(self, size: int) -> AsyncIterator[Sequence[bytes]]:
        """See `EntrySource`. The next page is fetched while one is worked on."""
        begin = 0
        fetching = asyncio.ensure_future(self._page(0, size))
        try:
            while begin < size:
                rows = await fetching
                end = min(begin + PAGE, size)
                fetching = asyncio.ensure_future(self._page(end, size))
                # Let the request go out before the processor is ours for a while.
                await asyncio.sleep(0)
                bodies = self._checked(rows, begin)
                if bodies:
                    yield bodies
                if len(bodies) < end - begin:
                    missing = begin + len(bodies)
                    raise UnverifiableError(Finding(self.where, "it is missing", entry=missing))
                begin = end
        finally:
            fetching.cancel()

    async def _page(self, begin: int, size: int) -> list[asyncpg.Record]:
        if begin >= size:
            return []
        async with self._pool.acquire() as connection:
            # Not through aiosql, which fetches fifty rows at a time.
            return await connection.fetch(SQL.whole_page.sql, begin, min(begin + PAGE, size))

    def _checked(self, rows: Sequence[asyncpg.Record], begin: int) -> list[bytes]:
        """The bytes up to the first gap; columns that say other than these are findings."""
        bodies: list[bytes] = []
        for place, row in enumerate(rows, start=begin):
            if row["sequence"] != place:
                break
            bodies.append(row["body"])
            if what := fault_of(row):
                self._findings.add(Finding(self.where, what, entry=place))
        return bodies

    async def checkpoints(self, size: int, *, after: int = -1) -> AsyncIterator[Kept]:
        """See `EntrySource`; only those of sizes beyond `after`."""
        while True:
            page = await self._checkpoints_between(after, size)
            for one in page:
                yield one
            if len(page) < CHECKPOINTS_AT_ONCE:
                return
            after = page[-1].size or 0

    async def _checkpoints_between(self, after: int, until: int) -> list[Kept]:
        async with self._pool.acquire() as connection:
            rows = SQL.checkpoints_between(
                connection, after=after, until=until, most=CHECKPOINTS_AT_ONCE
            )
            return [Kept(row["note"], row["size"], row["root"]) async for row in rows]

    async def sizes_between(self, after: int, until: int) -> AsyncIterator[int]:
        """Of which sizes, `after < size <= until`, there are checkpoints."""
        async for one in self.checkpoints(until, after=after):
            yield one.size or 0

    async def next_offset(self) -> int:
        """Up to which offset the log has what the topic has."""
        async with self._pool.acquire() as connection:
            offset: int = await SQL.next_offset(connection)
            return offset

    async def unsigned(self, signed: int, size: int, next_offset: int) -> Unsigned:
        """What has to be compared with the topic, where so much is signed (-1: nothing).

        `next_offset`: what was the one before `size` was.
        """
        async with self._pool.acquire() as connection:
            last = await SQL.last_signed(connection, signed=signed)
            first, begin = (0, 0) if last is None else (last["sequence"], last["topic_offset"])
            end = await SQL.end_in_topic(connection, first=first, size=size)
        return Unsigned(first, size, begin, max(end, next_offset))

    async def places(self, first: int, until: int) -> AsyncIterator[list[Place]]:
        """Entries from a place in the log up to another, page by page."""
        for begin in range(first, until, PAGE):
            async with self._pool.acquire() as connection:
                end = min(begin + PAGE, until)
                rows = await connection.fetch(SQL.places.sql, begin, end)
            yield [Place(*row) for row in rows]

    async def places_of(self, ids: Sequence[UUID]) -> dict[UUID, Place]:
        """Where those of these entries are that the log has."""
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(SQL.places_of.sql, ids)
        return {row["id"]: Place(row["sequence"], row["topic_offset"], row["body"]) for row in rows}

    async def set_aside(self, offsets: Sequence[int]) -> frozenset[int]:
        """Offsets of what could not be handled: of these, and of what was given up."""
        async with self._pool.acquire() as connection:
            return await set_aside(connection, offsets)

    async def notes_of(self, sizes: Sequence[int]) -> dict[int, bytes]:
        """The signed checkpoints of those of these sizes that have one."""
        async with self._pool.acquire() as connection:
            rows = SQL.notes_of(connection, sizes=sizes)
            return {row["size"]: row["note"] async for row in rows}
