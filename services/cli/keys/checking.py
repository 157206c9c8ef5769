"""`steward keys check`: can every sealed value be opened, or is its key recorded as destroyed?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import asyncpg
import orjson
import typer

from services.cli.keys.sealed import SEALED, SealedColumn
from services.cli.progress import progress_bar
from shared.local.administrator import connected
from shared.privacy.checking import Verdict, check_page
from shared.privacy.key_sources import open_wrappers
from shared.privacy.wrapping import KeyWrappers
from shared.runtime.database import queries
from shared.runtime.settings import ServiceSettings

_sql = queries("sealed.sql", __file__)

Verdicts = Mapping[str, Verdict]
"""By `service.table.column`."""


def run_check(*, as_json: bool) -> int:
    """Check all of them and tell; the exit code."""
    verdicts = asyncio.run(_check())
    _print_json(verdicts) if as_json else _print(verdicts)
    return int(any(verdict.faults for verdict in verdicts.values()))


async def _check() -> Verdicts:
    settings = ServiceSettings.load()
    async with (
        connected(settings) as administrator,
        open_wrappers(settings) as wrappers,
    ):
        total = sum([await _rows(administrator, column) for column in SEALED])
        with progress_bar("opening", total) as progress:
            return {
                column.place: await check_column(administrator, wrappers, column, progress)
                for column in SEALED
            }


async def _rows(administrator: asyncpg.Connection[asyncpg.Record], column: SealedColumn) -> int:
    table = column.name.partition(".")[0]
    count: int = await administrator.fetchval(
        f"select count(*) from {column.service}.{table}"  # noqa: S608 - names of our own
    )
    return count


async def check_column(
    administrator: asyncpg.Connection[asyncpg.Record],
    wrappers: KeyWrappers,
    column: SealedColumn,
    progress: Callable[[int], None],
) -> Verdict:
    """All of one column as it is at this moment; memory holds a page of it at a time."""
    verdict = Verdict()
    async with administrator.transaction(isolation="repeatable_read", readonly=True):
        await administrator.execute(f"set local search_path = {column.service}")
        cursor = await administrator.cursor(getattr(_sql, column.query).sql)
        while rows := await cursor.fetch(column.page):
            values = [value for row in rows for value in column.values(row)]
            await check_page(administrator, wrappers, column.service, values, verdict)
            progress(len(rows))
    return verdict


def _print(verdicts: Verdicts) -> None:
    for place, verdict in verdicts.items():
        if verdict.opened or verdict.destroyed or verdict.faults:
            typer.echo(f"{place:38}{verdict.opened:>12,} open{verdict.destroyed:>12,} destroyed")
        for fault, many in sorted(verdict.faults.items()):
            keys = verdict.examples.get(fault)
            told = f", with the keys {', '.join(keys)}" if keys else ""
            more = " …" if keys and many > len(keys) else ""
            typer.echo(f"{place}: {many:,} cannot be opened: {fault}{told}{more}")
    opened = sum(verdict.opened for verdict in verdicts.values())
    destroyed = sum(verdict.destroyed for verdict in verdicts.values())
    faults = sum(verdict.faults.total() for verdict in verdicts.values())
    typer.echo(
        f"{opened:,} values open, the keys of {destroyed:,} are destroyed,"
        f" {faults:,} cannot be opened"
    )


def _print_json(verdicts: Verdicts) -> None:
    document = {
        "whole": not any(verdict.faults for verdict in verdicts.values()),
        "columns": {
            place: {
                "opened": verdict.opened,
                "destroyed": verdict.destroyed,
                "faults": dict(verdict.faults),
                "examples": verdict.examples,
            }
            for place, verdict in verdicts.items()
        },
    }
    typer.echo(orjson.dumps(document).decode())
