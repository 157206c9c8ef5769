"""`steward retention`: what must go, and when."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from shared.contract.days import read_day

if TYPE_CHECKING:
    from datetime import date

    from services.retention.domain import DueGroup

NOT_YET: Final = (
    "the schedule does not follow the plan in force yet: classes and days may be those of an"
    " earlier plan; the retention service looks through all of it, ask again after that"
)

UNTOLD_WIDTH: Final = 160

app = typer.Typer(help="What must go, and when.", no_args_is_help=True, add_completion=False)


@app.callback()
def retention() -> None:
    """What must go, and when."""


@app.command()
def due(
    on: Annotated[str, typer.Option(metavar="DATE", help="A day, as 2027-01-31.")],
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what may be kept no longer on a day, by event and retention class.

    Example: steward retention due --on 2027-01-31
    """
    try:
        day = read_day(on)
    except ValueError:
        raise typer.BadParameter("expected a day, as 2027-01-31", param_hint="--on") from None
    groups, follows = asyncio.run(_due(day))
    if not follows:
        typer.echo(NOT_YET, err=True)
    if json:
        import orjson

        told = {"on": day, "follows_plan": follows, "due": groups}
        typer.echo(orjson.dumps(told, default=str).decode())
    elif groups:
        _print(groups)
    else:
        typer.echo(f"nothing is due by {day}")


async def _due(day: date) -> tuple[list[DueGroup], bool]:
    """What is due, and whether all of it is by the plan in force."""
    from services.retention import store
    from services.retention.settings import Settings
    from shared.privacy import stored_plans
    from shared.runtime.database import open_pool

    pool = await open_pool(Settings.load(), service="retention", max_size=1)
    try:
        async with pool.acquire() as connection, connection.transaction():
            # Asked first: it stays true, as no other plan comes into force meanwhile.
            follows = await store.follows(connection, await stored_plans.hold(connection))
            return await store.due(connection, day), follows
    finally:
        await pool.close()


def _print(groups: list[DueGroup]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("due since", "event"):
        table.add_column(column, no_wrap=True)
    for column in ("unit", "class", "counted from"):
        table.add_column(column, overflow="fold")  # on any width nothing is cut off
    for column in ("items", "people"):
        table.add_column(column, justify="right", no_wrap=True)
    for group in groups:
        table.add_row(
            str(group.due_since),
            "" if group.event_id is None else str(group.event_id),
            group.unit or "",
            group.retention_class,
            group.anchor.replace("_", " "),
            str(group.items),
            str(group.people),
        )
    # In a pipe, or the mail of a timer, nobody knows how wide it may be.
    Console(width=None if sys.stdout.isatty() else UNTOLD_WIDTH).print(table)
