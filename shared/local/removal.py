"""Folders are removed, and what cannot be removed of them is said."""

from __future__ import annotations

import shutil
from pathlib import Path


def remove_path(one: Path) -> None:
    """A file, a link or a folder with all that is in it. Raises OSError."""
    if one.is_dir() and not one.is_symlink():
        shutil.rmtree(one)
    else:
        one.unlink()


def remove_all_in(folder: Path, *, but: Path | None = None) -> None:
    """Empty the folder, of all but one. Raises OSError."""
    for one in folder.iterdir():
        if one != but:
            remove_path(one)


def remove_emptied(folder: Path) -> None:
    """Remove a folder that has been emptied. A mount point, or one in a folder where we may not
    write, stays: nothing of ours is left in it. Raises OSError where something is.
    """
    try:
        folder.rmdir()
    except OSError:
        if any(folder.iterdir()):
            raise
