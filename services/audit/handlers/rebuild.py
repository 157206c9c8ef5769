"""The log made anew from its topic, up to the newest checkpoint that anybody has seen.

All of it is one transaction of the administrator's, which is committed only where every checkpoint
that was ever published is reached again: else nothing was done. The service takes what stands
behind, as it always does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from services.audit.domain.checkpoints import Checkpoint, is_of_log
from services.audit.domain.entries import LogEntry, entries_of
from services.audit.domain.growth import Head
from services.audit.domain.merkle import Frontier, leaf_hashes
from services.audit.domain.notes import VerifierKey
from services.audit.domain.tiles import BundleError, bundles, decode_bundle
from services.audit.domain.verification import Finding, Kept, read_checkpoint
from services.audit.handlers.verify import (
    Progress,
    Report,
    newest_of,
    verify_announced,
    verify_database,
)
from services.audit.store import append, known_bodies, tree
from services.audit.store.database_log import DatabaseLog, OneConnection
from services.audit.store.set_aside import set_aside
from services.audit.store.sources import PublishedLog
from services.audit.store.sql import SQL
from shared.contract.message import Record
from shared.runtime.database import Connection

AT_ONCE: Final = 4_000
MOST_SET_ASIDE: Final = 10_000
"""Entries that came into the log later than they stand in the topic: dead letters, redriven."""


class RebuildError(Exception):
    """The log cannot be made anew; the text says why."""


@dataclass
class Order:
    """The order of the published log, where it tells: ids, entry by entry."""

    ids: Iterator[UUID]
    aside: dict[UUID, LogEntry] = field(default_factory=dict)
    _due: UUID | None = None

    def __post_init__(self) -> None:
        self._due = next(self.ids, None)

    def sort(self, entries: Sequence[LogEntry]) -> Iterator[LogEntry]:
        """Those whose turn it is. What came into the log later is kept until then.

        Raises `RebuildError`.
        """
        for entry in entries:
            if self._due is None or entry.id == self._due:
                yield self._next(entry)
                yield from self._waiting()
            else:
                self.aside[entry.id] = entry
        if len(self.aside) > MOST_SET_ASIDE:
            raise RebuildError(
                f"entry {self._due} of the published log is not where it should be in the topic:"
                " one of them is not of this log"
            )

    def _waiting(self) -> Iterator[LogEntry]:
        while self._due is not None and self._due in self.aside:
            yield self._next(self.aside.pop(self._due))

    def _next(self, entry: LogEntry) -> LogEntry:
        self._due = None if self._due is None else next(self.ids, None)
        return entry


def published_ids(log: PublishedLog, size: int) -> Iterator[UUID]:
    """The ids of a published log, in its order, as far as its bundles can be read."""
    for bundle in bundles(0, size):
        try:
            entries = decode_bundle(log.read(bundle) or b"")
            ids = [UUID(orjson.loads(entry)["id"]) for entry in entries]
        except (BundleError, ValueError, KeyError, TypeError, AttributeError):
            return
        if len(ids) != bundle.width:
            return
        yield from ids


class Rebuild:
    """One attempt, on a connection in a transaction."""

    def __init__(self, connection: Connection, size: int, order: Order, progress: Progress) -> None:
        self._connection = connection
        self._size = size
        self._order = order
        self._progress = progress
        self._frontier = Frontier()

    async def run(self, records: AsyncIterator[Sequence[Record]]) -> None:
        """Fill the log, emptied before, up to its size. Raises `RebuildError`.

        The service goes on from where it was, or from before that: it knows again what it has.
        """
        last = -1
        async for part in records:
            if self._frontier.size == self._size:
                break
            fresh = await self._fresh(list(self._order.sort(entries_of(part))))
            taken = fresh[: self._size - self._frontier.size]
            await self._append(taken)
            last = max((last, *(entry.topic_offset for entry in taken)))
            self._progress(self._frontier.size, self._size)
        if self._frontier.size < self._size:
            raise RebuildError(
                f"the topic has {self._frontier.size:,} entries of the log, and"
                f" {self._size:,} were published: it is not whole"
            )
        await tree.grow(self._connection, Head(0, Frontier(), -1), self._frontier)
        await SQL.go_on_from(self._connection, offset=await self._accounted_for(last + 1))
        await SQL.release_keys(self._connection)

    async def _accounted_for(self, end: int) -> int:
        """Up to which offset, this one at most, each entry of the topic is in the log, or known as
        one that could not be handled. What was left aside may be neither: it was redriven and is
        not published yet, or the database is an older one than the dead letter.
        """
        aside = self._order.aside
        in_log = set(await SQL.known_ids(self._connection, ids=list(aside)))
        left = {one.topic_offset for one in aside.values() if one.id not in in_log}
        known = await set_aside(self._connection, list(left))
        return min({end, *left.difference(known)})

    async def _fresh(self, entries: Sequence[LogEntry]) -> list[LogEntry]:
        """Those that are not in the log yet: the first of an id is the entry."""
        known: set[UUID] = set(await known_bodies(self._connection, [one.id for one in entries]))
        fresh = []
        for entry in entries:
            if entry.id not in known:
                known.add(entry.id)
                fresh.append(entry)
        return fresh

    async def _append(self, entries: Sequence[LogEntry]) -> None:
        if entries:
            await append(self._connection, self._frontier.size, entries)
            leaves = leaf_hashes(entry.body for entry in entries)
            self._frontier = self._frontier.extended(leaves)


@dataclass(frozen=True, slots=True)
class Topics:
    """What is read of Kafka, each time from the beginning: records, and checkpoints with sizes."""

    records: Callable[[], AsyncIterator[Sequence[Record]]]
    checkpoints: Callable[[], AsyncIterator[Sequence[tuple[int, bytes]]]]


async def rebuild(
    connection: Connection,
    folder: PublishedLog,
    topics: Topics,
    keys: Sequence[VerifierKey],
    report: Report,
    now: datetime,
    progress: Progress,
) -> None:
    """Empty the log and fill it again. The connection is the administrator's, in a transaction.

    Raises `RebuildError` where what comes of it is not what was published; what differs is then in
    the report, and the transaction has to be rolled back.
    """
    await SQL.empty_log(connection)
    size = await _gather(connection, folder, topics.checkpoints(), keys, report, now)
    newest = newest_of(folder, keys, Report())
    order = Order(published_ids(folder, 0 if newest is None else newest.size))
    await Rebuild(connection, size, order, progress).run(topics.records())
    await SQL.restore_checkpoints(connection)
    await SQL.close_log(connection)
    log = DatabaseLog(OneConnection(connection), report.findings)
    await verify_database(log, folder, keys, report, progress)
    await verify_announced(log, topics.checkpoints(), keys, report, folder)
    if report.findings.count:
        raise RebuildError("what the topic gives is not what was published")


async def _gather(
    connection: Connection,
    folder: PublishedLog,
    topic: AsyncIterator[Sequence[tuple[int, bytes]]],
    keys: Sequence[VerifierKey],
    report: Report,
    now: datetime,
) -> int:
    """Add to the former checkpoints those that only folder or topic have; the largest size.

    One that is not signed by the log is a finding.
    """
    for size in folder.sizes():
        note = folder.checkpoint_of(size)
        await _add(connection, Kept(note or b"", size), keys, folder.where, report, now)
    async for part in topic:
        for size, note in (one for one in part if is_of_log(one[1], keys[0])):
            await _add(connection, Kept(note, size), keys, "topic", report, now)
    largest: int = await SQL.largest_former(connection)
    return largest


async def _add(
    connection: Connection,
    kept: Kept,
    keys: Sequence[VerifierKey],
    where: str,
    report: Report,
    now: datetime,
) -> None:
    checkpoint: Checkpoint | Finding = read_checkpoint(kept, keys, where)
    if isinstance(checkpoint, Finding):
        report.findings.add(checkpoint)
        return
    await SQL.correct_former(connection, size=checkpoint.size, root=checkpoint.root, note=kept.note)
    await SQL.add_former(
        connection, size=checkpoint.size, root=checkpoint.root, note=kept.note, now=now
    )
