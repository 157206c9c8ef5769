"""`python -m bench.plans.searching`: how Postgres finds what filters of the audit log leave."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
import uvloop

from bench.audit_searching import administrator, log_of
from bench.ground import opened
from bench.sizes import NORMAL
from services.audit.domain.entries import EntryFilter
from services.audit.handlers.read import PAGE_SIZE, WINDOW
from services.audit.store import search
from services.audit.store.sql import SQL

FOLDER = Path(__file__).parent / "searching"
RUNS = 3
"""The last is written: what it needs is in memory then."""


def main(
    rows: Annotated[int, typer.Option(min=1_000, help="Entries in the log.")] = 1_000_000,
    output: Annotated[Path, typer.Option(help="The folder that is made anew.")] = FOLDER,
) -> None:
    """Fill a log, and write how a page of each filter is found in it, and where a span lies.

    For example: python -m bench.plans.searching --rows 100000 --output /tmp/plans
    """
    plans = uvloop.run(_explained(rows))
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    for name, plan in plans.items():
        (output / f"{name}.txt").write_text(plan, "utf-8")
    typer.echo(f"{len(plans)} plans, in {output}")


async def _explained(rows: int) -> dict[str, str]:
    async with opened(NORMAL, typer.echo) as ground:
        stage = await log_of(ground, rows)
        async with administrator(stage) as connection:
            await connection.execute("set jit = off")
            filters = await _filters(connection, rows)
            plans = {name: await _page(connection, one, rows) for name, one in filters.items()}
            for name in ("since", "since-recipient"):
                plans[f"{name}-survey"] = await _survey(connection, filters[name], rows)
            return plans


async def _filters(
    connection: asyncpg.Connection[asyncpg.Record], rows: int
) -> Mapping[str, EntryFilter]:
    """What many entries have, what few have, and what is of one person or event."""
    middle = await connection.fetchrow(
        "select subject_id, event_id from entry where sequence = $1", rows // 2
    )
    late = await connection.fetchval("select at from entry where sequence = $1", rows * 9 // 10)
    assert middle is not None
    return {
        "nothing": EntryFilter(),
        "recipient": EntryFilter(recipient="caterer"),
        "recipient-rare": EntryFilter(recipient="printer"),
        "purpose": EntryFilter(purpose="transport"),
        "category": EntryFilter(category="diet"),
        "category-rare": EntryFilter(category="billing"),
        "type": EntryFilter(type="DataDisclosed"),
        "type-rare": EntryFilter(type="DisclosureRefused"),
        "type-unheard-of": EntryFilter(type="KeysDestroyed"),
        "actor": EntryFilter(actor="cli:clerk-3"),
        "event": EntryFilter(event_id=middle["event_id"]),
        "subject": EntryFilter(subject_ids=(middle["subject_id"],)),
        "since": EntryFilter(since=late),
        "since-recipient": EntryFilter(since=late, recipient="caterer"),
    }


async def _page(
    connection: asyncpg.Connection[asyncpg.Record], asked: EntryFilter, rows: int
) -> str:
    """The first page: of a span of time, where the survey found it to begin."""
    after = rows * 9 // 10 - 1 if asked.since else -1
    before = min(after + 1 + WINDOW, rows)
    return await _plan(connection, search.PAGE, asked, (after, before), PAGE_SIZE)


async def _survey(
    connection: asyncpg.Connection[asyncpg.Record], asked: EntryFilter, rows: int
) -> str:
    return await _plan(connection, search.SURVEY, asked, (-1, rows))


async def _plan(
    connection: asyncpg.Connection[asyncpg.Record],
    statement: str,
    asked: EntryFilter,
    between: tuple[int, int],
    *more: int,
) -> str:
    arguments = (*search.arguments(asked, *between), *more)
    async with connection.transaction(readonly=True):
        await SQL.plan_for_values(connection)
        explain = f"explain (analyze, buffers) {statement}"
        runs = [await connection.fetch(explain, *arguments) for _ in range(RUNS)]
    given = [f"{name}: {value}" for name, value in asdict(asked).items() if value is not None]
    asked_for = ", ".join((*given, f"{between[0]} < sequence < {between[1]}"))
    return "\n".join((asked_for, "", *(row[0] for row in runs[-1]), ""))


if __name__ == "__main__":
    typer.run(main)
