"""`steward status`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live

from services.cli.environment import home_folder
from services.cli.looking import Look, document, look, service_rows, targets
from services.cli.status_table import status_table
from shared.local.state import read_state

WATCH_EVERY_S: Final = 2.0
WATCH_LOOKS: Final = 31
"""Rates and times of batches are those of the last minute: the first of these looks to the last."""

_RATE_OF_S = 1.0
_ABOUT_ONE_LOOK = "rate of one second, p99 of a batch since the start; oldest: age in the outbox"
_ABOUT_WATCHING = "rate, p99 of a batch: last minute; oldest: age in the outbox; Ctrl-C ends"
_NOTHING_RUNS = "nothing is running; `steward up` starts it"
_LEFT = (
    "`steward up` is gone, and nobody watches what it has left: {names}. `steward up --detach`"
    " starts everything again, `steward down` stops it"
)
_NONE_OF_OURS = (
    "no system that `steward up` started runs here; in containers `docker compose ps` shows each"
    " process, and everywhere /readyz at its port says what is missing"
)

_console = Console(highlight=False)


def show(*, as_json: bool) -> int:
    """Print every service and process; 0 when all are ready, 1 when one is not or nothing runs."""
    return asyncio.run(_show(as_json=as_json))


def watch(*, as_json: bool) -> int:
    """Show the same again and again, until Ctrl-C. As JSON: one document a line."""
    try:
        asyncio.run(_print_lines() if as_json else _refresh())
    except KeyboardInterrupt:
        return 0
    return 0


def print_targets() -> int:
    """Print where Prometheus finds the services, for its `file_sd_configs`."""
    state = read_state(home_folder() / "run")
    running = state is not None and state.running()
    if state is None or not running:
        sys.stderr.write(f"steward: {_nothing_runs()}\n")
        return 1
    sys.stdout.write(json.dumps(targets(state), indent=2) + "\n")
    return 0


def _nothing_runs() -> str:
    """Where servers are named and no supervisor was ever here, somebody else starts services. What
    a supervisor has left when it was killed goes on, and nobody starts again what dies of it.
    """
    state = read_state(home_folder() / "run")
    if state is not None and (left := state.left()):
        return _LEFT.format(names=", ".join(left))
    elsewhere = bool(os.environ.get("DATABASE_URL")) and state is None
    return _NONE_OF_OURS if elsewhere else _NOTHING_RUNS


async def _show(*, as_json: bool) -> int:
    first = await look(home_folder())
    if first is not None and first.samples:
        await asyncio.sleep(_RATE_OF_S)
    now = await look(home_folder()) if first is not None else None
    if as_json:
        sys.stdout.write(json.dumps(_document(now, first, None), indent=2) + "\n")
    elif now is None:
        sys.stdout.write(_nothing_runs() + "\n")
    else:
        _console.print(_table(now, first, None, _ABOUT_ONE_LOOK))
    return 0 if now is not None and now.all_ready else 1


async def _refresh() -> None:
    looks: deque[Look | None] = deque(maxlen=WATCH_LOOKS)
    with Live(console=_console, screen=_console.is_terminal, auto_refresh=False) as live:
        while True:
            now = await _next(looks)
            if now is None:
                live.update(_nothing_runs(), refresh=True)
            else:
                live.update(_table(now, looks[0], looks[0], _ABOUT_WATCHING), refresh=True)
            await asyncio.sleep(WATCH_EVERY_S)


async def _print_lines() -> None:
    looks: deque[Look | None] = deque(maxlen=WATCH_LOOKS)
    while True:
        now = await _next(looks)
        sys.stdout.write(json.dumps(_document(now, looks[0], looks[0])) + "\n")
        sys.stdout.flush()
        await asyncio.sleep(WATCH_EVERY_S)


async def _next(looks: deque[Look | None]) -> Look | None:
    now = await look(home_folder())
    looks.append(now)
    return now


def _document(
    now: Look | None, since: Look | None, batches_since: Look | None
) -> dict[str, object]:
    if now is None:
        return {"running": False, "services": [], "processes": []}
    return document(now, service_rows(now, since, batches_since))


def _table(now: Look, since: Look | None, batches_since: Look | None, about: str) -> RenderableType:
    rows = service_rows(now, since, batches_since)
    return status_table(now, rows, about=about, width=_console.width)
