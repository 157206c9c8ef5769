"""Where a cluster of PostgreSQL lies: in `data` of its folder, which may be a link; its removal."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from shared.local.errors import LocalError
from shared.local.removal import remove_all_in, remove_emptied

ROOTS_DATA = Path("/var/lib/steward")
_ROOTS_PREFIX: Final = "postgres-"
"""Where root has a folder for each cluster, and how these folders begin."""

VERSION_FILE: Final = "PG_VERSION"
"""In a cluster, and nowhere else."""


def make_outside() -> Path:
    """A folder for a cluster, which other accounts can reach where root's folders are closed."""
    ROOTS_DATA.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=_ROOTS_PREFIX, dir=ROOTS_DATA))
    place.chmod(0o711)
    return place


def made_outside(data: Path) -> Path | None:
    """The folder that `make_outside` made for what `data` links to. None: `data` is no such link,
    or the folder is not there.
    """
    around = Path(os.path.realpath(data)).parent
    ours = around.parent == ROOTS_DATA.resolve() and around.name.startswith(_ROOTS_PREFIX)
    return around if ours and data.is_symlink() and around.is_dir() else None


def see_that_disk_is_there(folder: Path) -> None:
    """Where a cluster was made once: LocalError if a link leads to none now, as to the empty folder
    where its disk is to be mounted.
    """
    data = folder / "data"
    if not (folder.is_symlink() or data.is_symlink()) or made_outside(data):
        return
    cluster = Path(os.path.realpath(data))
    if not (cluster / VERSION_FILE).exists():
        raise LocalError(
            f"{data} leads to {cluster}, where no database is: mount the disk that has it, or"
            " remove the link if it is gone for good, and run this again"
        )


def remove_data(folder: Path) -> None:
    """Remove a cluster, also where `data` links to a folder that was made for it outside; what any
    other link leads to is not ours. Nothing may run on it.

    Raises OSError for what cannot be removed outside; the link stays until all there is gone.
    """
    data = folder / "data"
    if around := made_outside(data):
        remove_all_in(around)
        # Not before: who is interrupted finds it by the link. After this an empty folder is left.
        data.unlink()
        remove_emptied(around)
    shutil.rmtree(data, ignore_errors=True)
