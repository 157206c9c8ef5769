"""`steward down`: stop what runs, or what is left of it; remove it when that is asked for."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import typer

from services.cli.environment import home_folder
from services.cli.outside import has_data, has_secrets, never_opened, outside_of
from shared.local.errors import AlreadyRunningError, LocalError
from shared.local.postgres_folder import made_outside, remove_data
from shared.local.removal import (
    left_in,
    links_out_of,
    remove_all_in,
    remove_emptied,
    remove_path,
)
from shared.local.state import clear_orphans, lock_file, read_state, take_lock
from shared.runtime.confirming import confirm, see_that_somebody_is_asked
from shared.runtime.secrets import INBOX_KEY

_STOP_WITHIN_S = 60.0
_MARKS = (lock_file(Path("run")), Path("secrets") / INBOX_KEY, lock_file(Path("demo/run")))
"""One of these is in every home folder that Steward has used. The Makefile has them too."""


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


def refuse_while_demonstrated(home: Path) -> None:
    """Raises AlreadyRunningError while a demonstration runs on its folder in this home."""
    if lock_file(home / "demo" / "run").exists():
        _hold_demonstration(home / "demo").close()


def _hold_demonstration(folder: Path) -> IO[str]:
    """The lock of its folder. While it runs, AlreadyRunningError with what helps: `steward status`
    and `steward down`, which a lock says otherwise, are of another folder.
    """
    try:
        return take_lock(folder / "run")
    except AlreadyRunningError:
        state = read_state(folder / "run")
        process = f" (process {state.pid})" if state and state.running() else ""
        raise AlreadyRunningError(
            f"a demonstration runs in {folder}{process}: let it end, or stop it by Ctrl-C"
        ) from None


def see_that_it_may_go() -> None:
    """Raises AlreadyRunningError while a demonstration runs in the home folder, LocalError for a
    folder that is not ours, or has links out of it.
    """
    refuse_while_demonstrated(home_folder())
    if _is_used(home_folder()):
        _see_that_no_link_leads_out(home_folder())


def ask_to_remove() -> None:
    """Have it confirmed that the home folder goes. Raises Abort for a no, BadParameter where nobody
    is there to answer, LocalError for a folder that is not ours.
    """
    home = home_folder()
    if not _is_used(home):
        return
    see_that_somebody_is_asked()
    _tell(_what_stays(home))
    confirm(f"Remove {home.absolute()} for good, with {_what_goes(home)}? There is no way back")


def remove() -> None:
    """Remove the home folder; say what else there is and stays. LocalError for a folder that is not
    ours, has links out of it, or is empty: nobody can tell whether a disk is away.
    """
    home = home_folder()
    if not (home.exists() or home.is_symlink()):
        typer.echo(f"there is no {home}")
        return
    if not _is_used(home):
        raise LocalError(
            f"nothing is in {home}, and nothing is removed: if its disk is away, mount that and run"
            " this again"
        )
    folder, stays = home.resolve(), _what_stays(home)
    asyncio.run(remove_home(home))
    typer.echo(f"removed {home}; {folder} stays, empty" if folder.exists() else f"removed {home}")
    _tell(stays)


def _what_goes(home: Path) -> str:
    kinds = {"data": has_data(home), "secrets": has_secrets(home), "logs": True}
    *others, last = (kind for kind, goes in kinds.items() if goes)
    return f"{', '.join(others)} and {last}" if others else last


def _what_stays(home: Path) -> list[str]:
    """Lines to be told: where it is, and what of it can never be opened again."""
    outside, lost = outside_of(home), never_opened(home)
    stays = [f"outside of {home} stay: {'; '.join(outside)}"] if outside else []
    return [*stays, lost] if lost else stays


def _tell(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(line)


async def remove_home(home: Path) -> None:
    """Stop what a killed run left there, then remove the folder: data, secrets, logs. What was
    interrupted is done when it is run again. Where it is a link to a folder, or a mount point, that
    folder stays, empty.

    Raises AlreadyRunningError while a system or a demonstration runs on it. Raises LocalError for a
    folder that is not ours, or has links out of it, before anything is removed, and for what cannot
    be removed once all else is gone.
    """
    if not _is_used(home):
        return
    _see_that_no_link_leads_out(home)
    with ExitStack() as held:
        held.enter_context(take_lock(home / "run"))
        folders = [home]
        if (home / "demo").exists():
            # A demonstration runs on a folder of its own in it, and has a database of its own.
            held.enter_context(_hold_demonstration(home / "demo"))
            folders.append(home / "demo")
        for folder in folders:
            await clear_orphans(folder / "run")
        try:
            _empty(home, [folder / "postgres" for folder in folders])
            _remove_emptied(home)
        except OSError as error:
            raise LocalError(
                f"{home} cannot be removed whole: {error}. Mend that, and run it again"
            ) from None


def _empty(home: Path, databases: Sequence[Path]) -> None:
    """Raises the first OSError once all is gone that can go. By its lock the folder is known as
    ours until nothing else is left in it, and by its link what is left of a database elsewhere.
    """
    run = home / "run"
    errors, kept = [], [run]
    for database in databases:
        try:
            remove_data(database)
        except OSError as error:
            errors.append(error)
            kept.append(database / "data")
    try:
        remove_all_in(home, but=kept)
    except OSError as error:
        errors.append(error)
    if errors:
        raise errors[0]
    remove_all_in(run, but=[lock_file(run)])
    remove_path(run)


def _remove_emptied(home: Path) -> None:
    if home.is_symlink():
        home.unlink()
    else:
        remove_emptied(home.resolve())


def _is_used(home: Path) -> bool:
    """Whether something of a home folder is there. Raises LocalError where there is another folder:
    a wrong STEWARD_HOME must not cost anybody their files.
    """
    left = left_in(home) if home.exists() else []
    if not left:
        return False
    run = home / "run"
    interrupted = left == [run] and run.is_dir() and not any(run.iterdir())  # at the very end
    if not interrupted and not any((home / mark).exists() for mark in _MARKS):
        raise LocalError(
            f"{home} does not look like a home folder of Steward (it has none of"
            f" {', '.join(map(str, _MARKS))}): nothing is removed. Correct STEWARD_HOME, or remove"
            " it by hand"
        )
    return True


def _see_that_no_link_leads_out(home: Path) -> None:
    """LocalError for what lies elsewhere: by its link alone somebody finds it afterwards, or learns
    that its disk is away.
    """
    databases = (folder / "postgres" / "data" for folder in (home, home / "demo"))
    ours = [home, *filter(None, map(made_outside, databases))]
    links = {
        f"{link} to {to}"
        for folder in ours
        for link, to in links_out_of(folder).items()
        if not any(to.is_relative_to(one) for one in ours)
    }
    if links:
        raise LocalError(
            f"out of {home} lead {'; '.join(sorted(links))}. Nothing is removed: mount the disk of"
            " what is not there; remove by hand what each leads to, if that is to go, then the"
            " link, and run this again"
        )
