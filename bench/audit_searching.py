"""How fast the audit log is replayed, in how much memory, and how soon it tells of one person."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import asyncpg

from bench.figures import median, percentile
from bench.filling import POSTGRES_SETTINGS, without_indexes
from bench.ground import Ground
from bench.registry import Measured, benchmark
from bench.stage import Stage
from bench.watched import Watched, watch
from services.audit.handlers.read import history_of
from services.audit.settings import Settings
from shared.runtime.database import open_pool

STAGE: Final = "audit log searched"
REPLAY: Final = "audit-replay"
PER_DISCLOSURE: Final = 50
PER_PERSON: Final = 50
"""Entries, on the average."""

RECIPIENT: Final = "caterer"
"""Every other disclosure is to this one."""

PEOPLE: Final = 300
EVER: Final = datetime.min.replace(tzinfo=UTC)


@benchmark(REPLAY, unit="entries/s", aim=100_000)
async def replay(ground: Ground) -> Measured:
    """`steward audit replay` of the newest entries of a long log, with its start, into a pipe."""
    many = _many(ground)
    return await _replayed(ground, many, "--after", str(ground.sizes.rows - many - 1))


@benchmark("audit-replay-filtered", unit="entries/s", aim=100_000)
async def replay_filtered(ground: Ground) -> Measured:
    """As many entries, of one recipient since a day: those are half of what is looked through."""
    stage = await log_of(ground, ground.sizes.rows)
    async with administrator(stage) as connection:
        since: datetime = await connection.fetchval(
            "select at from entry where sequence = $1", ground.sizes.rows - 2 * _many(ground)
        )
        matching: int = await connection.fetchval(
            "select count(*) from entry where recipient = $1 and at >= $2", RECIPIENT, since
        )
    return await _replayed(ground, matching, "--recipient", RECIPIENT, "--since", since.isoformat())


@benchmark("audit-replay-memory", unit="MB", aim=150.0, better="lower", needs=(REPLAY,))
async def memory(ground: Ground) -> Measured:
    """The most that replaying the whole long log took, the interpreter included."""
    stage = await log_of(ground, ground.sizes.rows)
    code, done = await asyncio.to_thread(watch, stage, subprocess.DEVNULL, "audit", "replay")
    if code:
        raise AssertionError(f"the replay ended with {code}")
    details = {
        "entries": ground.sizes.rows,
        "took_s": round(done.took_s, 2),
        "cpu_s": round(done.cpu_s, 2),
    }
    return Measured([done.megabytes], details)


@benchmark("audit-about", unit="ms", aim=50.0, better="lower")
async def about(ground: Ground) -> Measured:
    """All that a long log says of one person, with what became of each disclosure: the median of
    some hundreds of people at random, each asked for once.
    """
    stage = await log_of(ground, ground.sizes.rows)
    random = Random(1)  # noqa: S311 - the same people each time
    people = _people(ground.sizes.rows)
    async with administrator(stage) as connection:
        subjects = await connection.fetchval(
            "select array(select md5('person' || one)::uuid from unnest($1::bigint[]) as one)",
            random.sample(range(people), min(people, PEOPLE)),
        )
    pool = await open_pool(stage.settings(Settings), service="audit", max_size=1)
    runs, told = [], 0
    try:
        for subject in subjects:
            began = time.perf_counter()
            async with pool.acquire() as asking:
                history = await history_of(asking, [subject], readings_since=EVER)
            runs.append((time.perf_counter() - began) * 1e3)
            told += 0 if history is None else len(history.disclosures)
    finally:
        await pool.close()
    if told < len(subjects):
        raise AssertionError("of some people nothing is told")
    slow = {"p95": round(percentile(runs, 0.95), 2), "most": round(max(runs), 2)}
    details = {"entries": ground.sizes.rows, "of_a_person": round(told / len(subjects), 1), **slow}
    return Measured([median(runs)], details)


def _many(ground: Ground) -> int:
    return min(ground.sizes.verified, ground.sizes.rows // 2)


async def _replayed(ground: Ground, entries: int, *arguments: str) -> Measured:
    """Entries a second, in rounds of its own: a log so long is filled once.

    AssertionError where they were not so many.
    """
    stage = await log_of(ground, ground.sizes.rows)
    arguments = ("audit", "replay", "--format", "jsonl", *arguments)
    runs, cpu = [], []
    for _ in range(ground.sizes.rounds):
        code, done, lines = await asyncio.to_thread(_counted, stage, arguments)
        if code or lines != entries:
            raise AssertionError(f"{lines} of {entries} entries were replayed, exit code {code}")
        runs.append(entries / done.took_s)
        cpu.append(done.cpu_s)
    return Measured(runs, {"entries": entries, "cpu_s": round(median(cpu), 2)})


def _counted(stage: Stage, arguments: Sequence[str]) -> tuple[int, Watched, int]:
    """Exit code, what it took, and how many lines came out of it."""
    command = ("wc", "-l")
    with subprocess.Popen(  # noqa: S603 - as it stands above
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as counting:
        assert counting.stdin is not None
        code, done = watch(stage, counting.stdin, *arguments)
        lines, _ = counting.communicate()
    return code, done, int(lines)


async def log_of(ground: Ground, size: int) -> Stage:
    """A stage with a long log."""
    stage = await ground.stage(STAGE, POSTGRES_SETTINGS)
    await stage.once("log", lambda: _fill(stage, size, ground.tell))
    return stage


async def _fill(stage: Stage, size: int, tell: Callable[[str], None]) -> bool:
    """Of a whole number of disclosures, in which everything can be searched for."""
    tell(f"{size:,} entries into the audit log")
    statement = Path(__file__).with_name("audit_searched.sql").read_text("utf-8")
    async with administrator(stage) as connection:
        async with connection.transaction(), without_indexes(connection, "audit.entry"):
            # Emptied in the same transaction, it is written once, and not to the journal too.
            await connection.execute("alter table entry disable trigger entry_is_append_only")
            await connection.execute("truncate entry")
            await connection.execute("alter table entry enable always trigger entry_is_append_only")
            await connection.fetch(statement, size // PER_DISCLOSURE, _people(size))
            await connection.execute("update tree_head set size = $1", size)
        await connection.execute("vacuum analyze entry")
        await connection.execute("checkpoint")
    return True


def _people(size: int) -> int:
    return size // PER_PERSON + 1


@asynccontextmanager
async def administrator(stage: Stage) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection of the administrator's that finds the log's tables."""
    connection = await asyncpg.connect(stage.database_url, server_settings={"search_path": "audit"})
    try:
        yield connection
    finally:
        await connection.close()
