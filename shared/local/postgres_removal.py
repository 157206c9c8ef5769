"""A cluster of PostgreSQL is removed, also from the folder that was made for it outside."""

from __future__ import annotations

import shutil
from pathlib import Path

from shared.local.postgres_folder import made_outside
from shared.local.removal import remove_all_in, remove_emptied


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
