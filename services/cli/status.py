"""`steward status` and `steward logs`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from services.cli.environment import home_folder
from services.cli.schemas import SERVICES
from shared.local.logs import tail
from shared.local.ports import HOST
from shared.local.readiness import missing_from_port, missing_from_service
from shared.local.state import Entry, State, read_state

_POLL_S = 0.2


def show(*, as_json: bool) -> int:
    """Print every process; 0 when all are ready, 1 when one is not or nothing runs."""
    state = read_state(home_folder() / "run")
    if state is None or not state.running():
        _print_nothing(as_json=as_json)
        return 1
    missing = asyncio.run(_missing(state))
    if as_json:
        sys.stdout.write(json.dumps(_document(state, missing), indent=2) + "\n")
    else:
        Console(highlight=False).print(_table(state, missing))
    return 1 if any(missing.values()) or state.phase != "running" else 0


def print_log(name: str, *, lines: int, follow: bool) -> None:
    """The last lines of the log of a process; then, following, what is added until Ctrl-C."""
    path = home_folder() / "logs" / f"{name}.log"
    known = [*SERVICES, "kafka", "postgres", "up"]
    if name not in known:
        raise typer.BadParameter(f"there is no process {name!r}; choose one of {', '.join(known)}")
    if not path.exists():
        raise typer.BadParameter(f"{name} has no log yet: it was never started here ({path})")
    for line in tail(path, lines):
        typer.echo(line)
    if follow:
        for text in _added(path):
            typer.echo(text, nl=False)


async def _missing(state: State) -> dict[str, str | None]:
    found = await asyncio.gather(*(_missing_from(state, entry) for entry in state.processes))
    return {entry.name: what for entry, what in zip(state.processes, found, strict=True)}


async def _missing_from(state: State, entry: Entry) -> str | None:
    if not state.identity(entry).alive():
        return "it died and is being started again"
    if "http" in entry.ports:
        return await missing_from_service(entry.ports["http"])
    return await missing_from_port(next(iter(entry.ports.values())))


def _document(state: State, missing: dict[str, str | None]) -> dict[str, object]:
    return {
        "running": True,
        "pid": state.pid,
        "phase": state.phase,
        "addresses": dict(state.addresses),
        "processes": [
            {
                "name": entry.name,
                "pid": entry.pid,
                "ports": dict(entry.ports),
                "restarts": entry.restarts,
                "ready": missing[entry.name] is None,
                "missing": missing[entry.name],
                "log": entry.log,
            }
            for entry in state.processes
        ],
    }


def _table(state: State, missing: dict[str, str | None]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("process", "pid", "where", "restarts", "ready"):
        table.add_column(column)
    for entry in state.processes:
        where = " ".join(f"{HOST}:{port}" for port in entry.ports.values())
        why = missing[entry.name]
        ready = "[green]ready[/]" if why is None else f"[red]no:[/] {why}"
        table.add_row(entry.name, str(entry.pid), where, str(entry.restarts), ready)
    table.caption = None if state.phase == "running" else f"the system is {state.phase}"
    return table


def _print_nothing(*, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"running": False, "processes": []}) + "\n")
    else:
        typer.echo("nothing is running; `steward up` starts it")


def _added(path: Path) -> Iterator[str]:
    """What is written to the file from now on; begins anew when the file was emptied."""
    with path.open(encoding="utf-8", errors="replace") as file:
        file.seek(0, 2)
        while True:
            if text := file.read():
                yield text
                continue
            if path.stat().st_size < file.tell():
                file.seek(0)
            time.sleep(_POLL_S)
