"""`python -m bench [NAME…]`: measure, show, and write `results/latest.json`."""

from __future__ import annotations

import importlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import orjson
import typer
import uvloop
from rich.console import Console
from rich.table import Table

from bench.ground import opened
from bench.registry import BENCHMARKS, Row
from bench.sizes import NORMAL, QUICK, Sizes
from shared.runtime.logging import configure_logging
from shared.runtime.memory import spare_the_collector

RESULTS = Path(__file__).parent / "results" / "latest.json"

WIDTH = 110
"""Columns where nobody's terminal says how many there are."""

MODULES = (
    "machine",
    "throughput",
    "peers",
    "shapes",
    "ceilings",
    "system",
    "withdrawals",
    "audit",
    "audit_verifying",
    "audit_searching",
    "full",
    "replicas",
    "keys",
    "disclosing",
    "start",
    "commands",
)
"""Importing them fills the registry, in the order in which it is measured."""


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Some of them; else all.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small and once: does it all still run?")
    ] = False,
    messages: Annotated[
        int | None, typer.Option(min=100, help="Through all services, while memory is watched.")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(min=1_000, help="In the tables of the full database.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Where the rows are written; a whole run: bench/results/latest.json."),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Only name the benchmarks.")] = False,
) -> None:
    """Measure on this machine, all on the same Kafka and Postgres; exit code 1 if one fails.

    For example: python -m bench --quick steward-to-bare-loop
    """
    load()
    if listed:
        typer.echo("\n".join(BENCHMARKS))
        return
    _check(names or ())
    sizes = _sizes(QUICK if quick else NORMAL, {"messages": messages, "rows": rows})
    configure_logging("bench", "console", "error")
    spare_the_collector()  # as in a service's process; all that is measured has it
    # As Ctrl-C does: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    began = time.monotonic()
    measured, failures = uvloop.run(
        _measure(sizes, names or list(BENCHMARKS), lambda what: _tell(console, began, what))
    )
    _show(measured, console)
    whole = not names and sizes == NORMAL
    if output or whole:
        _write(measured, output or RESULTS)
    for name, error in failures.items():
        console.print(f"[bold red]{name} failed[/]")
        traceback.print_exception(error)
    raise typer.Exit(bool(failures))


def load() -> None:
    """Fill the registry."""
    for module in MODULES:
        importlib.import_module(f"bench.{module}")


def _check(names: Sequence[str]) -> None:
    unknown = sorted(set(names) - BENCHMARKS.keys())
    if unknown:
        listed = ", ".join(BENCHMARKS)
        raise typer.BadParameter(f"no benchmark {', '.join(unknown)}; there are: {listed}")


def _sizes(usual: Sizes, given: Mapping[str, int | None]) -> Sizes:
    return replace(usual, **{name: value for name, value in given.items() if value is not None})


async def _measure(
    sizes: Sizes, names: Sequence[str], tell: Callable[[str], None]
) -> tuple[list[Row], Mapping[str, Exception]]:
    async with opened(sizes, tell) as ground:
        await ground.results.measure(names)
        return ground.results.rows, ground.results.failures


def _tell(console: Console, began: float, what: str) -> None:
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    console.print(f"[dim]{minutes:3d}:{seconds:02d}[/] {what}", highlight=False)


def _write(rows: Sequence[Row], output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _show(rows: Sequence[Row], console: Console) -> None:
    table = Table("benchmark", "value", "unit", "spread", "aim", "")
    for row in rows:
        aim, met = "", ""
        if row["aim"] is not None:
            aim = f"{'≥' if row['better'] == 'higher' else '≤'} {row['aim']:g}"
            met = "[green]met[/green]" if row["met"] else "[red]missed[/red]"
        digits = 2 if abs(row["value"]) < 100 else 0
        spread = "" if row["spread"] is None else f"{row['spread']:.0%}"
        value = f"{row['value']:,.{digits}f}"
        table.add_row(row["name"], value, row["unit"], spread, aim, met)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
