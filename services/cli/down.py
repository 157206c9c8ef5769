"""`steward down`: stop what runs, or what is left of it; remove it when that is asked for."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from pathlib import Path

import typer

from services.cli.environment import home_folder
from shared.local.postgres import remove_data
from shared.local.state import clear_orphans, read_state, take_lock

_STOP_WITHIN_S = 60.0


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


def remove() -> None:
    """Remove the home folder and what lies elsewhere for it."""
    asyncio.run(remove_home(home_folder()))
    typer.echo(f"removed {home_folder()}")


async def remove_home(home: Path) -> None:
    """Stop what a killed run left there, then remove the folder: data, secrets, logs.

    Raises AlreadyRunningError while a system runs on it.
    """
    with take_lock(home / "run"):
        await clear_orphans(home / "run")
        remove_data(home / "postgres")
        shutil.rmtree(home)
