"""Tiles and entries of committed entries into the published folder, up to a checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from services.audit.domain.checkpoints import CheckpointError, open_checkpoint
from services.audit.domain.growth import Signed
from services.audit.domain.merkle import leaf_hashes
from services.audit.domain.notes import VerifierKey
from services.audit.domain.tiles import (
    WIDTH,
    Bundle,
    RightEdge,
    Tile,
    decode_bundle,
    encode_bundle,
    partial_bundle,
    read_edge,
)
from services.audit.store import bodies
from services.audit.store.folder import CHECKPOINT, TileFolder, checkpoint_path
from shared.messaging.subscription import Halted
from shared.runtime.database import Connection

AT_ONCE: Final = 8 * WIDTH
"""Entries that are read at once."""

MOST_FILES: Final = 256
"""That are held before they are written: some megabytes."""

_log = structlog.get_logger(__name__)


class TileWriter:
    """Knows the right edge of what is published, and lets it grow. One for a folder at a time."""

    def __init__(self, folder: TileFolder, key: VerifierKey) -> None:
        self._folder = folder
        self._key = key
        self._edge = RightEdge()
        self._tail: list[bytes] = []
        self._files: dict[str, bytes] = {}
        self._partial: dict[Tile | Bundle, dict[str, bytes]] = {}
        self._full: list[Tile | Bundle] = []
        self.published = -1

    def begin(self) -> None:
        """Find out what is published. What is damaged is made again, from the first entry on.

        Raises CheckpointError and FolderError.
        """
        note = self._folder.checkpoint()
        if note is None:
            return
        published = open_checkpoint(note, self._key)
        try:
            edge = read_edge(published.size, lambda tile: self._folder.read(tile.path) or b"")
            tail = self._read_tail(published.size)
            if edge.root != published.root:
                raise CheckpointError("the tiles are of another tree")
        except ValueError:
            _log.warning("published tiles are missing or damaged, and are written anew")
            return
        self._edge, self._tail, self.published = edge, tail, published.size

    def _read_tail(self, size: int) -> list[bytes]:
        bundle = partial_bundle(size)
        if bundle is None:
            return []
        tail = decode_bundle(self._folder.read(bundle.path) or b"")
        if len(tail) != bundle.width:
            raise CheckpointError("the last bundle is not of the checkpoint")
        return tail

    async def write(self, connection: Connection, checkpoints: Sequence[Signed]) -> None:
        """Have everything that these checkpoints are of, and no checkpoint, on disk.

        Raises FolderError, and `Halted` where the entries are not those that were signed.
        """
        for checkpoint in checkpoints:
            while self._edge.size < checkpoint.size:
                most = min(AT_ONCE, checkpoint.size - self._edge.size)
                self._grow(await bodies(connection, self._edge.size, most))
                if len(self._files) > MOST_FILES:
                    await self._flush()
            if self._edge.size != checkpoint.size or self._edge.root != checkpoint.root:
                raise Halted("entries are not those that were signed: nothing is published")
            self._keep_partial()
        await self._flush()

    async def publish(self, checkpoints: Sequence[Signed]) -> None:
        """Let everybody see these checkpoints. What is shown as the newest never becomes a smaller
        one: it stays while older ones are written anew. Raises FolderError.
        """
        await asyncio.to_thread(self._publish, checkpoints)
        self.published = checkpoints[-1].size

    def _publish(self, checkpoints: Sequence[Signed]) -> None:
        for checkpoint in checkpoints:
            there = self._folder.read(checkpoint_path(checkpoint.size))
            if there is not None and there != checkpoint.note:
                raise Halted("another checkpoint of the same size is published already")
        files = {checkpoint_path(one.size): one.note for one in checkpoints}
        if self._shown() < checkpoints[-1].size:
            files[CHECKPOINT] = checkpoints[-1].note
        self._folder.write(files)

    def _shown(self) -> int:
        """The size of what is shown as the newest checkpoint; -1 where none of this log is. Another
        process may have shown more, while this one was stopped.
        """
        note = self._folder.checkpoint()
        try:
            return -1 if note is None else open_checkpoint(note, self._key).size
        except CheckpointError:
            return -1

    def _grow(self, entries: Sequence[bytes]) -> None:
        if not entries:
            raise Halted("entries that were signed are missing: nothing is published")
        for tile, data in self._edge.append(leaf_hashes(entries)):
            self._keep_full(tile, data)
        self._tail += entries
        number = (self._edge.size - len(self._tail)) // WIDTH
        while len(self._tail) >= WIDTH:
            self._keep_full(Bundle(number), encode_bundle(self._tail[:WIDTH]))
            del self._tail[:WIDTH]
            number += 1

    def _keep_full(self, resource: Tile | Bundle, data: bytes) -> None:
        self._partial.pop(resource, None)
        self._files[resource.path] = data
        self._full.append(resource)

    def _keep_partial(self) -> None:
        """The partial files of the present size: its checkpoint goes out, so they have to stay
        until the full ones are there.
        """
        for tile, data in self._edge.partial():
            self._partial.setdefault(tile._replace(width=WIDTH), {})[tile.path] = data
        bundle = partial_bundle(self._edge.size)
        if bundle is not None:
            full = bundle._replace(width=WIDTH)
            self._partial.setdefault(full, {})[bundle.path] = encode_bundle(self._tail)

    async def _flush(self) -> None:
        files, full = dict(self._files), list(self._full)
        for partial in self._partial.values():
            files |= partial
        self._files.clear()
        self._full.clear()
        self._partial.clear()
        if files:
            await asyncio.to_thread(self._write, files, full)

    def _write(self, files: dict[str, bytes], full: list[Tile | Bundle]) -> None:
        self._folder.write(files)
        self._folder.remove_partial(full)
