"""Says whether something runs on the home folder. `make clean` asks, before `.venv` goes."""

from __future__ import annotations

import sys
from pathlib import Path

from services.cli.down import refuse_while_demonstrated
from services.cli.environment import home_folder
from shared.local.errors import AlreadyRunningError
from shared.local.state import lock_file, take_lock


def refuse_while_in_use(home: Path) -> None:
    """Raises AlreadyRunningError while a system or a demonstration runs on this home folder."""
    refuse_while_demonstrated(home)
    if lock_file(home / "run").exists():
        take_lock(home / "run").close()


if __name__ == "__main__":
    home = home_folder()
    try:
        refuse_while_in_use(home)
    except AlreadyRunningError as error:
        sys.exit(f"steward: {home} is in use, perhaps with the .venv of this folder: {error}")
