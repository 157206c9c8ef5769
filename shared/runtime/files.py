"""Files that are there whole or not at all, also after a crash."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes, written: Callable[[], None] = lambda: None) -> None:
    """Put a file into a folder that exists, in place of what was there; its owner alone reads it.

    It is on disk when this returns. `written` is called when its bytes are and its name is not.
    What a crash leaves then is replaced by the next call, or goes with `remove_whole`. Raises
    OSError.
    """
    new = _unnamed(path)
    new.unlink(missing_ok=True)
    # Made here or not at all: nobody can have put a file of theirs in its place.
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        written()
        new.replace(path)
    except Exception:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_whole(path: Path) -> None:
    """Remove a file, and what a crash of `write_whole` left of it under no name of its own.

    They are off the disk when this returns; where they or their folder are not there, nothing is to
    be done. Raises OSError.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        for file in (path, _unnamed(path)):
            file.unlink(missing_ok=True)
        sync_folder(path.parent)


def _unnamed(path: Path) -> Path:
    """Where the bytes of a file lie until it gets its name."""
    return path.with_name(f".{path.name}.new")


def sync_folder(folder: Path) -> None:
    """Have what was renamed or removed in it on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
