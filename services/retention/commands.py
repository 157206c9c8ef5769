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
    from shared.runtime.database import Connection

NOT_YET: Final = (
    "the schedule does not follow the plan in force yet: classes and days may be those of an"
    " earlier plan; the retention service looks through all of it, ask again after that"
)

WITHIN_MS: Final = 300_000
"""Where millions of rows are due, listing them takes longer than a service may take."""

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
    from shared.runtime.database import open_pool

    patient = Settings.load().model_copy(update={"session_timeout_ms": WITHIN_MS})
    pool = await open_pool(patient, service="retention", max_size=1)
    try:
        async with pool.acquire() as connection:
            # No plan is held while it is listed: everybody would wait with whoever applies another.
            before = await _followed(connection)
            groups = await store.due(connection, day)
            return groups, before is not None and before == await _followed(connection)
    finally:
        await pool.close()


async def _followed(connection: Connection) -> int | None:
    """The number of the plan in force, if all of the schedule has followed it."""
    from services.retention import store
    from shared.privacy import stored_plans

    async with connection.transaction():
        number = await stored_plans.hold(connection)
        return number if await store.follows(connection, number) else None


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
