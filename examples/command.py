"""The command line of the day's generator."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Annotated

import orjson
import typer

from examples.day import DAY, Day

MOST = 1_000_000

app = typer.Typer(add_completion=False)


@app.command()
def write(
    registrations: Annotated[int, typer.Option(min=20, max=MOST, help="How many.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Another seed gives another day.")] = 1,
    on: Annotated[str, typer.Option(help="The day, as 2026-11-16.")] = DAY.isoformat(),
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Else to stdout.")] = None,
    expected: Annotated[Path | None, typer.Option(help="File for what is to become of it.")] = None,
) -> None:
    """Write one day as JSON lines for `steward send`, line by line."""
    try:
        day = Day(registrations, seed, date.fromisoformat(on))
    except ValueError:
        raise typer.BadParameter("must be a date as 2026-11-16", param_hint="--on") from None
    with nullcontext(sys.stdout.buffer) if output is None else output.open("wb") as out:
        for line in day.lines():
            out.write(line.text + b"\n")
    if expected is not None:
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        told = {"person": day.aino.email, **day.tally.expected()}
        expected.write_bytes(orjson.dumps(told, option=options))


def run() -> None:
    """Run the command line."""
    app()
