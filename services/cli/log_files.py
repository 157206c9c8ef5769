"""`steward logs`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import typer

from services.cli.environment import home_folder
from services.cli.processes import NAMES
from shared.local.logs import MAX_BYTES, tail

_POLL_S = 0.2
_ALWAYS_KNOWN = (*NAMES, "kafka", "postgres", "up")


def print_log(name: str, *, lines: int, follow: bool) -> None:
    """The last lines of the log of a process; then, following, what is added until Ctrl-C."""
    folder = home_folder() / "logs"
    path = folder / f"{name}.log"
    known = {*_ALWAYS_KNOWN, *(file.stem for file in folder.glob("*.log"))}
    if name not in known:
        named = ", ".join((*_ALWAYS_KNOWN, *sorted(known - set(_ALWAYS_KNOWN))))
        raise typer.BadParameter(f"there is no process {name!r}; choose one of {named}")
    if not path.exists():
        several = sorted(one for one in known if re.fullmatch(rf"{re.escape(name)}-\d+", one))
        if several:
            raise typer.BadParameter(f"there are several: choose one of {', '.join(several)}")
        raise typer.BadParameter(f"{name} has no log yet: it was never started here ({path})")
    there = path.stat().st_size
    for line in tail(path, lines, max_bytes=MAX_BYTES, end=there):
        typer.echo(line)
    if follow:
        for text in _added(path, there):
            typer.echo(text, nl=False)


def _added(path: Path, there: int) -> Iterator[str]:
    """What is written to the file beyond so many bytes; begins anew when the file was emptied."""
    with path.open(encoding="utf-8", errors="replace") as file:
        file.seek(there)
        while True:
            if text := file.read():
                yield text
                continue
            if path.stat().st_size < file.tell():
                file.seek(0)
            time.sleep(_POLL_S)
