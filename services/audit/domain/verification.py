"""Whether entries, tiles and checkpoints are of one log, told entry by entry as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.audit.domain.checkpoints import Checkpoint, CheckpointError, parse_checkpoint
from services.audit.domain.merkle import leaf_hash, leaf_hashes
from services.audit.domain.notes import NoteError, VerifierKey, parse_note, verify_note
from services.audit.domain.tiles import (
    HEIGHT,
    WIDTH,
    Bundle,
    BundleError,
    RightEdge,
    Tile,
    decode_bundle,
    encode_bundle,
    split_hashes,
)

MOST_FINDINGS: Final = 50
"""That are told; what comes after so many is counted."""


class Finding(NamedTuple):
    """One thing that is wrong: where, at which entry or at which checkpoint, and how."""

    where: str
    what: str
    entry: int | None = None
    size: int | None = None

    def __str__(self) -> str:
        if self.entry is not None:
            return f"{self.where}: entry {self.entry}: {self.what}"
        if self.size is not None:
            return f"{self.where}: the checkpoint of {self.size:,} entries: {self.what}"
        return f"{self.where}: {self.what}"


class UnverifiableError(Exception):
    """What comes behind cannot be verified; the finding says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


@dataclass
class Findings:
    """What was found, the first of it; and how much it was in all."""

    told: list[Finding] = field(default_factory=list)
    count: int = 0

    def add(self, finding: Finding) -> None:
        """Take note of it."""
        self.count += 1
        if len(self.told) < MOST_FINDINGS:
            self.told.append(finding)


class Kept(NamedTuple):
    """A signed checkpoint, and the size and root that it is filed under where it is filed."""

    note: bytes
    size: int | None = None
    root: bytes | None = None


def read_checkpoint(kept: Kept, keys: Sequence[VerifierKey], where: str) -> Checkpoint | Finding:
    """The checkpoint, where it is signed by the log (the first key) and is what it is filed as.

    Cosignatures of the other keys are verified where there are any.
    """
    log, size = keys[0], kept.size
    try:
        note = parse_note(kept.note)
        signers = {verified.key for verified in verify_note(note, keys)}
        checkpoint = parse_checkpoint(note.text)
    except (NoteError, CheckpointError) as error:
        return Finding(where, str(error), size=size)
    if log not in signers:
        return Finding(where, "it is not signed by the log's own key", size=size)
    if checkpoint.origin != log.name:
        return Finding(where, f"it is of another log than {log.name}", size=size)
    if size is not None and checkpoint.size != size:
        return Finding(where, f"the signed text is of {checkpoint.size:,} entries", size=size)
    if kept.root is not None and checkpoint.root != kept.root:
        return Finding(where, "its root hash is not the one that was signed", size=size)
    return checkpoint


class LogVerifier:
    """The tree over entries as they come, held against whatever else says something of it."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._edge = RightEdge()
        self._suspect: set[tuple[int, int]] = set()
        self._forked = False

    @property
    def size(self) -> int:
        """Entries that came."""
        return self._edge.size

    @property
    def root(self) -> bytes:
        """The root hash over them."""
        return self._edge.root

    def add(self, entries: Sequence[bytes]) -> list[tuple[Tile, bytes]]:
        """Let the next entries come; the tiles that are full now, as they have to be."""
        return self._edge.append(leaf_hashes(entries))

    def partial(self) -> list[tuple[Tile, bytes]]:
        """The tiles at the right edge, as they have to be."""
        return self._edge.partial()

    def check_root(self, checkpoint: Checkpoint, where: str) -> None:
        """The checkpoint, of the present size, has to have the root. Said once: each later
        checkpoint is of the same other log.
        """
        if checkpoint.root == self.root or self._forked:
            return
        self._forked = True
        what = "the entries up to there have another root hash: what was signed is another log"
        self._findings.add(Finding(where, what, size=checkpoint.size))

    def check_tile(self, tile: Tile, expected: bytes, found: bytes | None, where: str) -> None:
        """A tile that was read has to be the one that the entries give."""
        if found == expected:
            return
        self._suspect.add((tile.level, tile.number))
        for finding in self._tile_findings(tile, expected, found, where):
            self._findings.add(finding)

    def _tile_findings(
        self, tile: Tile, expected: bytes, found: bytes | None, where: str
    ) -> Iterator[Finding]:
        if found is None:
            yield Finding(where, f"{tile.path} is missing")
            return
        try:
            hashes = split_hashes(found)
        except BundleError as error:
            yield Finding(where, f"{tile.path}: {error}")
            return
        due = split_hashes(expected)
        if len(hashes) != len(due):
            yield Finding(where, f"{tile.path} has {len(hashes)} hashes, expected are {len(due)}")
        for place, (one, other) in enumerate(zip(due, hashes, strict=False)):
            if one == other:
                continue
            number = tile.number * WIDTH + place
            if tile.level == 0:
                yield Finding(where, f"its hash in {tile.path} is another", entry=number)
            # Where the tile below is not as expected either, that one says it.
            elif (tile.level - 1, number) not in self._suspect:
                what = f"{tile.path} has another hash of the entries from here on"
                yield Finding(where, what, entry=number << (HEIGHT * tile.level))


Leaves = Callable[[], bytes | None]
"""Reads the tile of the hashes of a bundle's entries, as it was published."""


def compare_bundle(
    bundle: Bundle, entries: Sequence[bytes], found: bytes | None, where: str, leaves: Leaves
) -> Iterator[Finding]:
    """How a bundle that was read differs from these entries. The tile tells whose is changed."""
    if found is None:
        yield Finding(where, f"{bundle.path} is missing")
        return
    if found == encode_bundle(entries):
        return
    try:
        others = decode_bundle(found)
    except BundleError as error:
        yield Finding(where, f"{bundle.path}: {error}")
        return
    if len(others) != len(entries):
        due = f"expected are {len(entries)}"
        yield Finding(where, f"{bundle.path} has {len(others)} entries, {due}")
    tile = leaves()
    for place, (ours, other) in enumerate(zip(entries, others, strict=False)):
        if ours != other:
            published = _leaf(tile, place)
            yield Finding(where, _whose(ours, other, published), entry=bundle.begin + place)


def _leaf(leaves: bytes | None, place: int) -> bytes | None:
    try:
        return None if leaves is None else split_hashes(leaves)[place]
    except (BundleError, IndexError):
        return None


def _whose(ours: bytes, other: bytes, published: bytes | None) -> str:
    if published == leaf_hash(other):
        return "the database has other bytes than were published (the tile has those published)"
    if published == leaf_hash(ours):
        return "the published entry has other bytes than the database (the tile has the database's)"
    return "the published entry and the one of the database have different bytes"
