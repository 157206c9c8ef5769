"""The published folder: tiles, entries and checkpoints as files, as C2SP `tlog-tiles` serves them.

    checkpoint                    the newest signed checkpoint
    checkpoints/x001/234          that of each size, here 1234, numbered as tiles are
    tile/0/x001/x234/067          hashes, 256 in a file
    tile/entries/x001/x234/067    entries, 256 in a file
    tile/…/067.p/112              the same, so many of them, until the full one is there

Nothing here is known to the database's administrator by privilege: it is the log's second witness.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from services.audit.domain.tiles import Bundle, Tile, numbered
from shared.runtime.files import sync_folder

CHECKPOINT: Final = "checkpoint"
CHECKPOINTS: Final = "checkpoints"


class FolderError(Exception):
    """The folder cannot be used as it is; the text says why and what to do."""


class TileFolder:
    """Files below one folder. A file is there whole or not at all, also when the machine stops."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, resource: str) -> bytes | None:
        """The bytes of a resource; None where it is not there. Raises `FolderError`."""
        try:
            return (self.path / resource).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unusable(error) from None

    def checkpoint(self) -> bytes | None:
        """The newest published checkpoint. Raises `FolderError`."""
        return self.read(CHECKPOINT)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write resources and have all of them on disk when this returns. Raises `FolderError`."""
        try:
            self._write(files)
        except OSError as error:
            raise self._unusable(error) from None

    def remove_partial(self, full: Iterable[Tile | Bundle]) -> None:
        """Remove the partial files that these full ones have taken the place of."""
        for resource in full:
            shutil.rmtree(self.path / f"{resource.path}.p", ignore_errors=True)

    def _write(self, files: Mapping[str, bytes]) -> None:
        folders: dict[Path, None] = {}
        written = []
        with ExitStack() as streams:
            for resource, data in files.items():
                target = self.path / resource
                self._make_folder(target.parent, folders)
                new = target.with_name(f".{target.name}.new")
                stream = streams.enter_context(new.open("wb"))
                stream.write(data)
                stream.flush()
                written.append((new, target, stream))
            # Written all, then synced: the first one takes most of the others to the disk with it.
            for _, _, stream in written:
                os.fsync(stream.fileno())
        for new, target, _ in written:
            new.replace(target)
            folders[target.parent] = None
        for folder in folders:
            sync_folder(folder)

    def _make_folder(self, folder: Path, changed: dict[Path, None]) -> None:
        """Make it with its parents, and note whose contents change."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for one in reversed(missing):
            one.mkdir(exist_ok=True)
            changed[one.parent] = None

    def _unusable(self, error: OSError) -> FolderError:
        return FolderError(
            f"the folder of the audit log, {self.path}, cannot be used ({error.strerror}):"
            " STEWARD_AUDIT_FOLDER names it"
        )


def checkpoint_path(size: int) -> str:
    """Where the checkpoint of a size lies."""
    return f"{CHECKPOINTS}/{numbered(size)}"
