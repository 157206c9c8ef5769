"""A cluster of PostgreSQL is removed, also one that was moved to another disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from shared.local.errors import LocalError
from shared.local.postgres_folder import VERSION_FILE, made_outside
from shared.local.removal import remove_all_in, remove_emptied


def see_that_data_is_there(folder: Path) -> None:
    """Raises LocalError where `data` is a link that leads to no cluster, as to the empty folder
    where its disk is to be mounted. What else keeps us from looking behind it is not taken for
    that: whoever removes it meets it again.
    """
    data = folder / "data"
    if not data.is_symlink():
        return
    cluster, place = _linked(data)
    try:
        # A folder that was made here is on no disk of its own. It may have no whole cluster yet.
        (cluster / VERSION_FILE if place == cluster else place).stat()
    except FileNotFoundError:
        raise LocalError(
            f"{data} links to {cluster}, where no database is: mount the disk that has it, or"
            " remove the link if it is gone for good, and run this again"
        ) from None
    except OSError:
        return


def remove_data(folder: Path) -> None:
    """Remove a cluster, also where `data` is a link. Nothing may run on it.

    What is beside a cluster that somebody has moved is theirs: the folder around it goes only where
    it was made here for nothing else. A link stays until all that it leads to is gone, but for the
    file by which a cluster is known.

    Raises LocalError where a link leads to no cluster, OSError for what cannot be removed behind
    one.
    """
    see_that_data_is_there(folder)
    data = folder / "data"
    if data.is_symlink():
        _, place = _linked(data)
        version = place / VERSION_FILE
        remove_all_in(place, but=[version])
        # Interrupted before this it is done by the next run, which would take a link to an empty
        # folder for one to a disk that is away; after it, the number of a version is left.
        data.unlink()
        version.unlink(missing_ok=True)
        remove_emptied(place)
    shutil.rmtree(data, ignore_errors=True)


def _linked(data: Path) -> tuple[Path, Path]:
    """The cluster that `data` links to, and what goes with it: the folder around it where that was
    made here, else itself.
    """
    cluster = Path(os.path.realpath(data))
    return cluster, made_outside(data) or cluster
