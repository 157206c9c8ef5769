"""The status of a system as a person reads it, in 80 columns or more."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.figures import Figures
from services.cli.looking import Look, ServiceRow
from shared.local.ports import HOST

_FIGURES = ("partitions", "lag", "rate/s", "p99", "outbox", "oldest", "dead", "parked")
_ROOMY_COLUMNS = 90
_NOTHING = "–"  # noqa: RUF001 - a dash, as in a table on paper


def status_table(look: Look, rows: list[ServiceRow], *, about: str, width: int) -> RenderableType:
    """Services with their figures, then every process; `about` says of what time the figures are.

    `width` is in columns; where there are few, those of the table stand closer together.
    """
    notes = [about]
    if look.state.phase != "running":
        notes.append(f"the system is {look.state.phase}")
    return Group(
        _services(rows, roomy=width >= _ROOMY_COLUMNS),
        Text("\n".join(notes), style="dim"),
        "",
        _processes(look),
    )


def _services(rows: list[ServiceRow], *, roomy: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 1 if roomy else 0))
    table.add_column("service", no_wrap=True)
    for column in ("replicas", *_FIGURES):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        style = "" if row.ready == row.replicas else "red"
        ready = f"{row.ready}/{row.replicas}" if style else str(row.replicas)
        table.add_row(row.name, Text(ready, style), *_cells(row.figures))
    return table


def _cells(figures: Figures | None) -> list[Text]:
    if figures is None:
        return [Text(_NOTHING)] * len(_FIGURES)
    return [
        Text(str(figures.partitions), "red" if figures.partitions_stopped else ""),
        Text(short_number(figures.lag)),
        Text(short_number(figures.rate_per_s)),
        Text(_NOTHING if figures.batch_p99_s is None else short_time(figures.batch_p99_s)),
        Text(short_number(figures.outbox)),
        Text(short_time(figures.outbox_oldest_s) if figures.outbox else _NOTHING),
        Text(short_number(figures.dead_letters), "yellow" if figures.dead_letters else ""),
        Text(short_number(figures.parked_keys), "yellow" if figures.parked_keys else ""),
    ]


def _processes(look: Look) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("process", "pid", "where", "restarts", "ready"):
        table.add_column(column)
    for entry in look.state.processes:
        where = " ".join(f"{HOST}:{port}" for port in entry.ports.values())
        why = look.missing[entry.name]
        ready = Text("ready", "green") if why is None else Text.assemble(("no: ", "red"), why)
        table.add_row(entry.name, str(entry.pid), where, str(entry.restarts), ready)
    return table


def short_number(number: float) -> str:
    """In at most five characters: 9,999, 12.3k, 123k, 1.23M."""
    if number < 9_999.5:
        return f"{number:,.0f}"
    for unit, size in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if number < size * 999.5:
            return f"{number / size:#.3g}".rstrip(".") + unit
    return f"{number:.0e}"


def short_time(seconds: float) -> str:
    """In at most six characters: 12 ms, 3.2 s, 45 s, 12 min, 5.0 h, 3 d."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    for unit, size, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            count = seconds / size
            return (
                f"{count:.1f} {unit}" if count < 9.95 and unit != "min" else f"{count:.0f} {unit}"
            )
    return f"{seconds / 86_400:.0f} d"
