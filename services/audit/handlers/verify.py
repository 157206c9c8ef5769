"""Verifies a log wholly: every entry, every signature, and that all who have it agree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from services.audit.domain.checkpoints import Checkpoint, is_of_log
from services.audit.domain.merkle import Frontier
from services.audit.domain.notes import VerifierKey
from services.audit.domain.tiles import HEIGHT, WIDTH, Bundle, Tile, partial_bundle
from services.audit.domain.verification import (
    Finding,
    Findings,
    Kept,
    LogVerifier,
    UnverifiableError,
    compare_bundle,
    read_checkpoint,
)
from services.audit.store.database_log import CHECKPOINTS_AT_ONCE, DatabaseLog
from services.audit.store.sources import EntrySource, PublishedLog

Progress = Callable[[int, int], None]
"""Called with how many entries are verified, and of how many."""


@dataclass
class Report:
    """What was verified: so many entries, up to the newest checkpoint, so many checkpoints."""

    size: int = 0
    signed: int = -1
    root: bytes = b""
    checkpoints: int = 0
    findings: Findings = field(default_factory=Findings)


@dataclass(frozen=True, slots=True)
class Published:
    """A published log that a pass compares with, up to the size of its newest checkpoint."""

    log: PublishedLog
    size: int
    holds_entries: bool
    """Whether its bundles are compared too: not where the entries came from them."""


class Pass:
    """One way through all entries of a source, and everything that is held against them."""

    def __init__(
        self,
        source: EntrySource,
        keys: Sequence[VerifierKey],
        report: Report,
        published: Published | None,
    ) -> None:
        self._source = source
        self._keys = keys
        self._report = report
        self._published = published
        self._verifier = LogVerifier(report.findings)

        self._due: Checkpoint | None = None

    async def run(self, size: int, tree: Frontier | None, progress: Progress) -> None:
        """Verify up to this size. `tree`: what the source itself says of the tree over it."""
        kept = self._source.checkpoints(size)
        await self._next(kept)
        await self._settle(kept, ())
        try:
            async for part in self._source.entries(size):
                await self._add(part, kept)
                progress(self._verifier.size, size)
        except UnverifiableError as error:
            self._report.findings.add(error.finding)
        self._report.size, self._report.root = self._verifier.size, self._verifier.root
        if tree is not None and self._verifier.size == size:
            self._compare_head(tree)

    def _compare_head(self, tree: Frontier) -> None:
        what = None
        if tree.size < self._report.size:
            what = f"its tree is over {tree.size:,} entries only: see whether the service is ready"
        elif tree.root != self._report.root:
            what = "the tree of its head is not the one over its entries"
        if what is not None:
            self._report.findings.add(Finding(self._source.where, what))

    async def _add(self, part: Sequence[bytes], kept: AsyncIterator[Kept]) -> None:
        begin, done = self._verifier.size, 0
        if self._published is not None and self._published.holds_entries:
            self._compare_bundles(self._published, part, begin)
        while done < len(part):
            end = self._next_stop(begin + len(part)) - begin
            for tile, data in self._verifier.add(part[done:end]):
                self._compare(tile, data)
            done = end
            await self._settle(kept, part[done - done % WIDTH : done])

    def _next_stop(self, end: int) -> int:
        """Up to where entries may be added before something of that size is due."""
        stops = [end]
        if self._due is not None:
            stops.append(self._due.size)
        if self._published is not None and self._published.size > self._verifier.size:
            stops.append(self._published.size)
        return min(stops)

    async def _settle(self, kept: AsyncIterator[Kept], tail: Sequence[bytes]) -> None:
        """Everything that is of the present size. `tail`: the entries of the bundle not full."""
        verifier = self._verifier
        while self._due is not None and self._due.size <= verifier.size:
            verifier.check_root(self._due, self._source.where)
            self._report.signed = max(self._report.signed, self._due.size)
            self._compare_former(tail)
            await self._next(kept)
        if self._published is not None and verifier.size == self._published.size:
            for tile, data in verifier.partial():
                self._compare(tile, data)

    async def _next(self, kept: AsyncIterator[Kept]) -> None:
        """The next checkpoint that can be read."""
        self._due = None
        async for one in kept:
            self._report.checkpoints += 1
            checkpoint = read_checkpoint(one, self._keys, self._source.where)
            if isinstance(checkpoint, Finding):
                self._report.findings.add(checkpoint)
                continue
            self._due = checkpoint
            return

    def _compare(self, tile: Tile, data: bytes) -> None:
        published = self._published
        if published is None or _end_of(tile) > published.size:
            return
        self._verifier.check_tile(tile, data, published.log.read(tile), published.log.where)

    def _compare_former(self, tail: Sequence[bytes]) -> None:
        """Partial files of an earlier checkpoint, where they are still there."""
        published = self._published
        if published is None or self._verifier.size >= published.size:
            return
        log = published.log
        for tile, data in self._verifier.partial():
            found = log.read_as_it_is(tile)
            if found is not None:
                self._verifier.check_tile(tile, data, found, log.where)
        bundle = partial_bundle(self._verifier.size)
        found = None if bundle is None else log.read_as_it_is(bundle)
        if bundle is not None and found is not None:
            self._tell(published, bundle, tail, found)

    def _compare_bundles(self, published: Published, part: Sequence[bytes], begin: int) -> None:
        for at in range(0, len(part), WIDTH):
            number = (begin + at) // WIDTH
            width = min(WIDTH, published.size - number * WIDTH)
            if width <= 0:
                return
            bundle = Bundle(number, width)
            self._tell(published, bundle, part[at : at + width], published.log.read(bundle))

    def _tell(
        self, published: Published, bundle: Bundle, entries: Sequence[bytes], found: bytes | None
    ) -> None:
        log = published.log
        tile = Tile(0, bundle.number, bundle.width)
        for finding in compare_bundle(bundle, entries, found, log.where, lambda: log.read(tile)):
            self._report.findings.add(finding)


def _end_of(tile: Tile) -> int:
    return (tile.number * WIDTH + tile.width) << (HEIGHT * tile.level)


async def verify_published(
    log: PublishedLog, keys: Sequence[VerifierKey], report: Report, progress: Progress
) -> None:
    """A published log by itself: its entries, its tiles and its checkpoints."""
    newest = newest_of(log, keys, report)
    if newest is None:
        return
    for size in log.sizes():
        if size > newest.size:
            what = f"the newest checkpoint is of {newest.size:,} entries only: it was put back"
            report.findings.add(Finding(log.where, what, size=size))
            break
    published = Published(log, newest.size, holds_entries=False)
    await Pass(log, keys, report, published).run(newest.size, None, progress)


def newest_of(log: PublishedLog, keys: Sequence[VerifierKey], report: Report) -> Checkpoint | None:
    """Its newest checkpoint, if it is one; that there is none is a finding too."""
    kept = log.newest()
    if kept is None:
        report.findings.add(Finding(log.where, "there is no checkpoint: is it the right place?"))
        return None
    checkpoint = read_checkpoint(kept, keys, f"{log.where}, newest checkpoint")
    if isinstance(checkpoint, Finding):
        report.findings.add(checkpoint)
        return None
    return checkpoint


async def verify_database(
    log: DatabaseLog,
    published: PublishedLog,
    keys: Sequence[VerifierKey],
    report: Report,
    progress: Progress,
) -> None:
    """The database, and that what is published is the same log."""
    # Read before the database, which then has to have at least as much.
    newest = newest_of(published, keys, report)
    try:
        claimed = await log.claimed()
    except UnverifiableError as error:
        report.findings.add(error.finding)
        return
    if newest is not None and newest.size > claimed.size:
        what = f"it has {claimed.size:,} entries only, fewer than were published"
        report.findings.add(Finding(log.where, what, size=newest.size))
    compared = None
    if newest is not None:
        compared = Published(published, newest.size, holds_entries=True)
    await Pass(log, keys, report, compared).run(claimed.size, claimed.tree, progress)
    await _compare_checkpoints(log, published, report)
    if newest is not None:
        await _compare_newest(log, published, newest, keys, report)


async def _compare_checkpoints(log: DatabaseLog, published: PublishedLog, report: Report) -> None:
    """Each checkpoint that is published has to be one of the database's, byte for byte."""
    sizes = published.sizes()
    while part := list(islice(sizes, CHECKPOINTS_AT_ONCE)):
        notes = await log.notes_of(part)
        for size in part:
            if notes.get(size) != published.checkpoint_of(size):
                report.findings.add(_not_the_same(published.where, size, known=size in notes))


async def _compare_newest(
    log: DatabaseLog,
    published: PublishedLog,
    newest: Checkpoint,
    keys: Sequence[VerifierKey],
    report: Report,
) -> None:
    """None up to the newest may be missing; that one has more signatures than the database's."""
    async for size in log.sizes_between(-1, newest.size):
        if published.checkpoint_of(size) is None:
            report.findings.add(Finding(published.where, "it is missing", size=size))
    note = (await log.notes_of([newest.size])).get(newest.size)
    mine = None if note is None else read_checkpoint(Kept(note), keys, log.where)
    if mine != newest:
        where = f"{published.where}, newest checkpoint"
        report.findings.add(_not_the_same(where, newest.size, known=note is not None))


def _not_the_same(where: str, size: int, *, known: bool) -> Finding:
    what = "is other than the database's" if known else "the database has signed none of that size"
    return Finding(where, f"it {what}" if known else what, size=size)


async def verify_announced(
    log: DatabaseLog,
    notes: AsyncIterator[Sequence[tuple[int, bytes]]],
    keys: Sequence[VerifierKey],
    report: Report,
    published: PublishedLog,
) -> None:
    """Each checkpoint of the topic has to be the database's, and none may be left out.

    `notes`: sizes as the messages say, and signed checkpoints, in the order of the topic.
    """
    last = -1
    async for part in notes:
        mine = await log.notes_of([size for size, _ in part])
        for size, note in part:
            if not is_of_log(note, keys[0]):
                continue  # another log's: a topic may have several
            found = read_checkpoint(Kept(note, size), keys, "topic")
            if isinstance(found, Finding):
                report.findings.add(found)
            elif mine.get(size) != note:
                report.findings.add(_not_the_same("topic", size, known=size in mine))
        said = {size for size, note in part if is_of_log(note, keys[0])}
        # What was sent twice stands behind later ones: those were looked at in their turn.
        newest = max(said, default=last)
        if newest > last:
            async for size in log.sizes_between(last, newest):
                if size not in said:
                    report.findings.add(Finding("topic", "it is missing", size=size))
            last = newest
    # What is announced was in the folder before.
    if last >= 0 and published.checkpoint_of(last) is None:
        what = "it was announced and is not there: the folder was put back"
        report.findings.add(Finding(published.where, what, size=last))
