"""Where a log can be read from by whoever verifies it: one way for database, folder and URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from services.audit.domain.checkpoints import CheckpointError, parse_checkpoint
from services.audit.domain.merkle import HASH_SIZE, leaf_hashes
from services.audit.domain.notes import NoteError, parse_note
from services.audit.domain.tiles import (
    WIDTH,
    Bundle,
    BundleError,
    Tile,
    bundles,
    decode_bundle,
    encode_bundle,
)
from services.audit.domain.verification import Finding, Kept, UnverifiableError
from services.audit.store.folder import CHECKPOINT, CHECKPOINTS, TileFolder, checkpoint_path

BUNDLES_AT_ONCE: Final = 8

Read = Callable[[str], bytes | None]
"""The bytes at a path below the log's prefix; None where nothing is."""


class EntrySource(Protocol):
    """Entries and the checkpoints that were kept with them, in order."""

    @property
    def where(self) -> str:
        """What it is called in findings."""
        ...

    def entries(self, size: int) -> AsyncIterator[Sequence[bytes]]:
        """The entries up to a size, in parts that begin at multiples of 256.

        Raises `UnverifiableError` where they cannot be read further.
        """
        ...

    def checkpoints(self, size: int) -> AsyncIterator[Kept]:
        """Those of sizes up to this one, the smallest first."""
        ...


class PublishedLog:
    """A log as C2SP `tlog-tiles` has it: a folder, or what a server serves of one."""

    def __init__(self, where: str, read: Read, kept: Callable[[], Iterator[int]]) -> None:
        """`kept`: the sizes of which a checkpoint lies there by its size, the smallest first."""
        self.where = where
        self._read = read
        self._kept = kept

    def newest(self) -> Kept | None:
        """The newest checkpoint, with whatever cosignatures it has."""
        note = self._read(CHECKPOINT)
        return None if note is None else Kept(note)

    def checkpoint_of(self, size: int) -> bytes | None:
        """The signed checkpoint of a size."""
        return self._read(checkpoint_path(size))

    def sizes(self) -> Iterator[int]:
        """Of which sizes there is a checkpoint by its size, the smallest first."""
        return self._kept()

    def read_as_it_is(self, resource: Tile | Bundle) -> bytes | None:
        """A tile or a bundle. A partial one is gone when the full one is there."""
        return self._read(resource.path)

    def read(self, resource: Tile | Bundle) -> bytes | None:
        """A tile or a bundle. A partial one may have given way to the full one: then its part."""
        data = self._read(resource.path)
        if data is None and resource.width < WIDTH:
            full = self._read(resource._replace(width=WIDTH).path)
            return None if full is None else _beginning(resource, full)
        return data

    async def entries(self, size: int) -> AsyncIterator[Sequence[bytes]]:
        """See `EntrySource`."""
        part: list[bytes] = []
        for bundle in bundles(0, size):
            try:
                part += self._entries(bundle)
            except UnverifiableError:
                if part:
                    yield part
                raise
            if len(part) >= BUNDLES_AT_ONCE * WIDTH:
                yield part
                part = []
        if part:
            yield part

    def _entries(self, bundle: Bundle) -> list[bytes]:
        data = self.read(bundle)
        if data is None:
            raise UnverifiableError(Finding(self.where, f"{bundle.path} is missing"))
        try:
            entries = decode_bundle(data)
        except BundleError as error:
            raise UnverifiableError(Finding(self.where, f"{bundle.path}: {error}")) from None
        if len(entries) != bundle.width:
            what = f"{bundle.path} has {len(entries)} entries, expected are {bundle.width}"
            raise UnverifiableError(
                Finding(self.where, what, entry=self._first_odd(bundle, entries))
            )
        return entries

    def _first_odd(self, bundle: Bundle, entries: Sequence[bytes]) -> int:
        """The first entry that is not the one of which the tile has the hash."""
        tile = self.read(Tile(0, bundle.number, bundle.width)) or b""
        for place, leaf in enumerate(leaf_hashes(entries)):
            if tile[place * HASH_SIZE : (place + 1) * HASH_SIZE] != leaf:
                return bundle.begin + place
        return bundle.begin + len(entries)

    async def checkpoints(self, size: int) -> AsyncIterator[Kept]:
        """See `EntrySource`. The newest one stands in them by its size, or is added."""
        newest = self.newest()
        of_newest = None if newest is None else _size_of(newest.note)
        for one in self._kept():
            if one > size:
                break
            note = self.checkpoint_of(one)
            if note is not None:
                yield Kept(note, one)
        if newest is not None and of_newest is not None and of_newest <= size:
            yield newest


def folder_log(folder: Path) -> PublishedLog:
    """What lies in a folder. Reading raises `FolderError`."""
    files = TileFolder(folder)
    return PublishedLog(f"folder {folder}", files.read, lambda: kept_sizes(folder / CHECKPOINTS))


def kept_sizes(folder: Path) -> Iterator[int]:
    """The sizes of which a checkpoint is there, the smallest first: shorter paths first."""
    depth, any_deeper = 0, folder.is_dir()
    while any_deeper:
        any_deeper = False
        for parent in _at_depth(folder, depth):
            for entry in sorted(parent.iterdir()):
                if entry.is_dir():
                    any_deeper = True
                elif entry.name.isdecimal():
                    parts = (*entry.relative_to(folder).parent.parts, entry.name)
                    yield int("".join(parts).replace("x", ""))
        depth += 1


def _at_depth(folder: Path, depth: int) -> Iterator[Path]:
    if depth == 0:
        yield folder
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            yield from _at_depth(entry, depth - 1)


def _size_of(note: bytes) -> int | None:
    try:
        return parse_checkpoint(parse_note(note).text).size
    except (NoteError, CheckpointError):
        return None


def _beginning(resource: Tile | Bundle, full: bytes) -> bytes | None:
    if isinstance(resource, Tile):
        return full[: resource.width * HASH_SIZE]
    try:
        return encode_bundle(decode_bundle(full)[: resource.width])
    except BundleError:
        return full
