"""Folders are removed as far as they can be, and what cannot be removed of them is said."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

_OF_A_FILE_SYSTEM: Final = "lost+found"


def left_in(folder: Path) -> list[Path]:
    """What is in a folder, but for what the file system of its disk keeps there for itself."""
    # Not by its owner, who may be us: what was recovered there is nobody's to remove.
    mounted = os.path.ismount(folder.resolve())
    return [one for one in folder.iterdir() if not mounted or one.name != _OF_A_FILE_SYSTEM]


def links_out_of(folder: Path) -> dict[Path, Path]:
    """Each link below the folder that leads out of it, and where to, be anything there or not."""
    inside = folder.resolve()
    links = {
        link: Path(os.path.realpath(link))
        for place, folders, files in os.walk(folder)
        for link in (Path(place, name) for name in (*folders, *files))
        if link.is_symlink()
    }
    return {link: to for link, to in links.items() if not to.is_relative_to(inside)}


def remove_path(one: Path) -> None:
    """A file, a link or a folder with all that is in it. Of a folder all goes that can go before
    OSError is raised for what cannot.
    """
    if not one.is_dir() or one.is_symlink():
        one.unlink()
        return
    shutil.rmtree(one, ignore_errors=True)
    if one.exists():
        shutil.rmtree(one)


def remove_all_in(folder: Path, *, but: Collection[Path] = ()) -> None:
    """Empty the folder, of all but some, and the folders in it that have these. Raises the first
    OSError once all is gone that can go.
    """
    errors = []
    for one in left_in(folder):
        try:
            if not any(kept.is_relative_to(one) for kept in but):
                remove_path(one)
            elif one not in but:
                remove_all_in(one, but=but)
        except OSError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def remove_emptied(folder: Path) -> None:
    """Remove a folder that has been emptied. A mount point, or one in a folder where we may not
    write, stays: nothing of ours is left in it. Raises OSError where something is.
    """
    try:
        folder.rmdir()
    except OSError:
        if left_in(folder):
            raise
