"""`steward down`: stop what runs, or what is left of it; remove it when that is asked for."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from pathlib import Path

import typer

from services.cli.environment import home_folder
from shared.local.errors import LocalError
from shared.local.postgres import remove_data
from shared.local.state import clear_orphans, read_state, state_file, take_lock
from shared.runtime.secrets import INBOX_KEY

_STOP_WITHIN_S = 60.0
_MARKS = (state_file(Path("run")), Path("secrets") / INBOX_KEY, state_file(Path("demo/run")))
"""One of these is in every home folder that Steward has used."""


def stop() -> int:
    """Stop the running system, or what is left of one."""
    folder = home_folder() / "run"
    state = read_state(folder)
    if state is None or not state.running():
        left = asyncio.run(clear_orphans(folder))
        typer.echo(f"stopped what was left: {', '.join(left)}" if left else "nothing is running")
        return 0
    state.supervisor.send(signal.SIGTERM)
    if not asyncio.run(state.supervisor.gone(_STOP_WITHIN_S)):
        sys.stderr.write(f"steward: process {state.pid} did not stop in {_STOP_WITHIN_S:.0f} s\n")
        return 1
    typer.echo("stopped")
    return 0


def ask_to_remove() -> None:
    """Have it confirmed that the home folder goes. Raises Abort for a no, BadParameter where nobody
    is there to answer, LocalError for a folder that is not ours.
    """
    home = home_folder()
    if not _is_used(home):
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody is here to ask: add --yes", param_hint="--yes")
    typer.confirm(
        f"Remove {home.absolute()} for good, with data, secrets and logs? There is no way back",
        abort=True,
    )


def remove() -> None:
    """Remove the home folder and what lies elsewhere for it. LocalError for one not ours."""
    home = home_folder()
    if not _is_used(home):
        typer.echo(f"there is no {home}")
        return
    asyncio.run(remove_home(home))
    typer.echo(f"removed {home}")


async def remove_home(home: Path) -> None:
    """Stop what a killed run left there, then remove the folder: data, secrets, logs.

    Raises AlreadyRunningError while a system runs on it, LocalError for a folder that is not ours.
    """
    if not _is_used(home):
        return
    with take_lock(home / "run"):
        await clear_orphans(home / "run")
        remove_data(home / "postgres")
        shutil.rmtree(home)


def _is_used(home: Path) -> bool:
    """Whether there is a home folder. Raises LocalError where there is another folder: a wrong
    STEWARD_HOME must not cost anybody their files.
    """
    if not home.exists():
        return False
    if any(home.iterdir()) and not any((home / mark).exists() for mark in _MARKS):
        raise LocalError(
            f"{home} does not look like a home folder of Steward (it has none of"
            f" {', '.join(map(str, _MARKS))}): nothing is removed. Correct STEWARD_HOME, or remove"
            " it by hand"
        )
    return True
