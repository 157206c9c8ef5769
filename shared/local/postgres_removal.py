"""A cluster of PostgreSQL is removed, also one that was moved to another disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from shared.local.errors import LocalError
from shared.local.postgres import ROOTS_DATA, ROOTS_PREFIX
from shared.local.removal import remove_all_in, remove_emptied


def see_that_data_is_there(folder: Path) -> None:
    """Raises LocalError where `data` is a link that leads to nothing. What else keeps us from
    looking behind it is not taken for that: whoever removes it meets it again.
    """
    data = folder / "data"
    if not data.is_symlink():
        return
    try:
        _linked_place(data).stat()
    except FileNotFoundError:
        raise LocalError(
            f"{data} links to {os.path.realpath(data)}, where nothing is: mount the disk that has"
            " it, or remove the link if it is gone for good, and run this again"
        ) from None
    except OSError:
        return


def remove_data(folder: Path) -> None:
    """Remove a cluster, also where `data` is a link. Nothing may run on it.

    What is beside a cluster that somebody has moved is theirs: the folder around it goes only where
    it was made here for nothing else. A link stays until all that it leads to is gone.

    Raises LocalError where a link leads to nothing, OSError for what cannot be removed behind one.
    """
    see_that_data_is_there(folder)
    data = folder / "data"
    if data.is_symlink():
        place = _linked_place(data)
        remove_all_in(place)
        # Interrupted after this it leaves an empty folder; before, a link to what is still to go.
        data.unlink()
        remove_emptied(place)
    shutil.rmtree(data, ignore_errors=True)


def _linked_place(data: Path) -> Path:
    """What goes with a cluster that `data` links to: the folder around it where that is ours."""
    cluster = Path(os.path.realpath(data))
    around = cluster.parent
    ours = around.parent == ROOTS_DATA.resolve() and around.name.startswith(ROOTS_PREFIX)
    return around if ours else cluster
