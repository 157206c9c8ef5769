"""`python -m bench.plans`: write the plans of all hot statements into `bench/plans/`."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from textwrap import dedent
from typing import Annotated

import asyncpg
import typer
import uvloop

from bench.filling import FACTS, POSTGRES_SETTINGS, fill
from bench.ground import opened
from bench.plans.log import LINE_PREFIX, Explained, explained
from bench.plans.names import abridged, by_name, statements, telling
from bench.sizes import NORMAL
from bench.stage import Stage
from bench.steward import ROOT
from bench.system import all_services, settled
from examples.day import Day
from examples.lines import CONTACTS, Line
from services.cli.reckoning import open_books
from shared.contract.services import SERVICES
from shared.runtime.clock import utc_now
from shared.runtime.database import role_name
from shared.runtime.logging import configure_logging

FOLDER = Path(__file__).parent
HOT = 5
"""A statement is hot when it ran at least so often."""

PORTIONS = 20
"""In so many portions contacts and withdrawals come: all at once they would be too few batches for
what these ask to be hot. Meanwhile every service looks at its figures a few times.
"""

AGAIN = 100
"""Registrations that come once more with each portion: their identities are claimed already."""

_SETTINGS = {
    **POSTGRES_SETTINGS,
    "log_line_prefix": LINE_PREFIX,
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_parameter_max_length": "0",
}

# What a role's log is usually kept from: here nobody who exists is in it.
_TOLD = {
    "auto_explain.log_min_duration": "0",
    "log_min_messages": "log",
    "log_error_verbosity": "default",
}


def main(
    rows: Annotated[int, typer.Option(min=1_000, help="In each large table.")] = 1_000_000,
    registrations: Annotated[int, typer.Option(min=1_000, help="That the services take.")] = 20_000,
    output: Annotated[Path, typer.Option(help="Where the folders of plans are made.")] = FOLDER,
) -> None:
    """Run all services on full tables, and write how Postgres carries out what they ask of it.

    For example: python -m bench.plans --rows 100000 --output /tmp/plans
    """
    configure_logging("bench", "console", "error")
    executions = uvloop.run(_collect(rows, registrations))
    written = _write(executions, output, rows)
    typer.echo(f"{written} statements, below {output}")


async def _collect(rows: int, registrations: int) -> list[Explained]:
    """Fill the tables with rows like those of a tenth of a day, then watch the rest of the day."""
    async with opened(NORMAL, typer.echo) as ground:
        stage = await ground.stage("plans", _SETTINGS)
        day = Day(registrations, seed=1, on=utc_now().date()).lines()
        await _through_all(stage, list(islice(day, registrations // 10)))
        await fill(stage.database_url, rows, typer.echo, FACTS)
        await _tell_plans(stage)
        typer.echo("the day, with every plan written down")
        registered, contacts = by_topic(day)
        await _through_all(stage, registered, portions(contacts, registered))
        logs = stage.folder / "postgres" / "logs"
        lines = [
            line
            for file in (logs / "postgres.log.1", logs / "postgres.log")
            if file.exists()
            for line in file.read_text("utf-8", "replace").splitlines()
        ]
        return list(explained(lines))


async def _tell_plans(stage: Stage) -> None:
    connection = await asyncpg.connect(stage.database_url)
    try:
        for service in SERVICES:
            for name, value in _TOLD.items():
                await connection.execute(
                    f"alter role {role_name(service.name)} set {name} = '{value}'"
                )
    finally:
        await connection.close()


def by_topic(lines: Iterable[Line]) -> tuple[list[Line], list[Line]]:
    """All but contacts and withdrawals, and these, both in order: neither waits for the other."""
    registered, contacts = list[Line](), list[Line]()
    for line in lines:
        (contacts if line.topic == CONTACTS else registered).append(line)
    return registered, contacts


def portions(contacts: Sequence[Line], registered: Sequence[Line]) -> Iterator[Sequence[Line]]:
    """All contacts, in their order, and with each portion some of the registrations once more."""
    many = -(-len(contacts) // PORTIONS)
    for number in range(PORTIONS):
        again = registered[number * AGAIN : (number + 1) * AGAIN]
        yield [*contacts[number * many : (number + 1) * many], *again]


async def _through_all(
    stage: Stage, lines: Sequence[Line], behind: Iterable[Sequence[Line]] = ()
) -> None:
    """Publish lines, then let all services take them: batches are as large as they become.

    `behind` are portions of which each comes when everything before it is done.
    """
    await _publish(stage, lines)
    async with (
        all_services(stage),
        open_books(stage.database_url, stage.cluster) as books,
    ):
        await settled(books)
        for portion in behind:
            await _publish(stage, portion)
            await settled(books)


async def _publish(stage: Stage, lines: Sequence[Line]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "send", "-"),
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": stage.bootstrap_servers},
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    await process.communicate(b"".join(line.text + b"\n" for line in lines))


def _write(executions: Sequence[Explained], folder: Path, rows: int) -> int:
    """One file for each hot statement; how many they were."""
    for spec in SERVICES:
        shutil.rmtree(folder / spec.name, ignore_errors=True)
    found = by_name(executions, statements())
    hot = {key: times for key, times in found.items() if len(times) >= HOT}
    for (service, name), times in sorted(hot.items()):
        one = telling(times)
        file = folder / service / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        head = (
            f"{len(times)} times on tables of {rows:,} rows;"
            f" this one took {one.milliseconds:.2f} ms, longer than nine in ten did"
        )
        plan = abridged(one.plan).rstrip()
        file.write_text(f"{head}\n\n{_tidy(one.statement)}\n\n{plan}\n", "utf-8")
    return len(hot)


def _tidy(statement: str) -> str:
    """Without the margin that it has in a function, where PL/pgSQL blanks out its own words too."""
    return re.sub(r"^ {40,}", "", dedent(statement), flags=re.MULTILINE).strip()


if __name__ == "__main__":
    typer.run(main)
