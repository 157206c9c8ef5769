"""`python -m tests.canary`: show where marks of personal data are found, and fail on a leak."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.local.errors import LocalError
from shared.runtime.logging import configure_logging
from tests.canary.marks import MOST_PEOPLE
from tests.canary.run import Result, run
from tests.canary.survey import Row

_SHOWN = 40


def main(
    registrations: Annotated[
        int, typer.Option(min=40, max=MOST_PEOPLE // 2, help="How large the day is.")
    ] = 2_000,
    few: Annotated[
        bool, typer.Option("--few", help="Only the commands that touch personal data most.")
    ] = False,
) -> None:
    """Run the example day with a mark in every personal field, and search everything for marks.

    The exit code is 0 when marks are found in inbound topics and in lists for recipients only, and
    those of an erased person nowhere.

    Example: python -m tests.canary --registrations 200
    """
    console = Console(highlight=False)
    configure_logging("canary", "console", "error")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # As Ctrl-C does: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    with console.status("starting") as status:

        def say(what: str) -> None:
            text = f"{time.monotonic() - began:5.0f} s  {what}"
            status.update(text)
            if not console.is_terminal:
                console.print(text)

        try:
            result = asyncio.run(run(registrations, few=few, say=say))
        except LocalError as error:
            console.print(f"[red]✗[/] {escape(str(error))}", soft_wrap=True)
            raise typer.Exit(1) from None
    _show(console, result)
    raise typer.Exit(1 if result.failures else 0)


def _show(console: Console, result: Result) -> None:
    console.print(f"{result.people:,} people with marks, {result.messages:,} messages")
    console.print(_table("After the day", result.after_the_day))
    console.print(_table("After one person was erased", result.after_erasure))
    console.print(
        f"{result.values} sealed values of that person, {result.keys:,} keys tried on each"
    )
    console.print(
        f"{result.wrapped_left} of their {result.wrapped} destroyed keys are still in PostgreSQL's"
        " files, wrapped (docs/operations.md, Secrets)"
    )
    for failure in result.failures[:_SHOWN]:
        console.print(f"[red]✗[/] {escape(failure)}", soft_wrap=True)
    if len(result.failures) > _SHOWN:
        console.print(f"… and {len(result.failures) - _SHOWN} more")
    if not result.failures:
        console.print("[green]✓[/] nothing leaked")


def _table(title: str, rows: Mapping[str, Row]) -> Table:
    table = Table("place", title=title, title_justify="left")
    for heading in ("searched", "bytes", "marks", "allowed", "planted"):
        table.add_column(heading, justify="right")
    for place, row in sorted(rows.items()):
        numbers = (row.items, row.bytes, row.found, row.allowed, row.planted)
        style = "red" if row.found != row.allowed else None
        table.add_row(place, *(f"{number:,}" for number in numbers), style=style)
    return table


if __name__ == "__main__":
    typer.run(main)
