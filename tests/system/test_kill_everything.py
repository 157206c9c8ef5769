"""Everything is killed once with `kill -9` while a day comes in; the tables must not show it.

On that day another key-encryption key takes over, and at its end every sealed value can be opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from examples.day import Day
from services.cli.processes import NAMES
from services.cli.reckoning import Books, open_books
from services.cli.root import app
from services.cli.system import Options, Ports, System, running_system
from services.registration.settings import Settings
from shared.local.postgres import missing_from_postgres
from tests.support.commands import command
from tests.support.opened import Snapshot, snapshot

ROOT = Path(__file__).parents[2]
SEED = 7
REGISTRATIONS = 200
ROTATED_IN = 1
"""The part of the day in which another key-encryption key takes over."""

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


@asynccontextmanager
async def _system(home: Path) -> AsyncIterator[System]:
    given = {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"}
    options = Options(
        home=home,
        plan=ROOT / "plan.toml",
        ports=Ports(any_free=True),
        environ={name: value for name, value in os.environ.items() if name not in given},
    )
    async with running_system(options) as system:
        assert not system.not_ready
        yield system


def _parts_of_a_day(folder: Path, parts: int) -> Sequence[Path]:
    """Yesterday in files that follow each other.

    Not the day that is shipped: its events end one after the other, and what is kept of them has
    its time; whether a run comes to that before it is looked at, its kills would decide.

    Without limits of capacity: who comes first to a full event is decided by the order in which
    partitions are read, which no two runs share.
    """
    day = Day(REGISTRATIONS, SEED, datetime.now(UTC).date() - timedelta(days=1))
    lines = [_without_capacity(line.text) + b"\n" for line in day.lines()]
    each = -(-len(lines) // parts)
    files = []
    for number in range(parts):
        file = folder / f"part-{number}.jsonl"
        file.write_bytes(b"".join(lines[number * each : (number + 1) * each]))
        files.append(file)
    return files


def _without_capacity(line: bytes) -> bytes:
    event = orjson.loads(line)
    data = event.get("data")
    if not isinstance(data, dict) or "capacity" not in data:
        return line
    return orjson.dumps({**event, "data": {**data, "capacity": None}})


async def _steward(system: System, *arguments: str) -> None:
    """Run a command of ours to its end, in this process: another one would import all of it anew,
    two dozen times.
    """
    answered = await command(app, Settings.load(system.environment), *arguments)
    assert answered.code == 0, answered.err


async def _settled(books: Books) -> None:
    async with asyncio.timeout(120):
        while True:
            if all(progress.settled for progress in await books.progress()):
                return
            await asyncio.sleep(0.2)  # nothing announces that all is quiet


async def _run(home: Path, parts: Sequence[Path], victims: Sequence[str]) -> Snapshot:
    async with _system(home) as system:
        for number, part in enumerate(parts):
            await _kafka_answers(system)
            await _steward(system, "send", str(part))
            # What was just sent is being handled now.
            if number == ROTATED_IN:
                await _steward(system, "keys", "rotate", "--yes")
            if number < len(victims):
                await _kill(system, victims[number])
        await _kafka_answers(system)
        await _postgres_answers(system)
        async with open_books(system.database_url, system.cluster) as books:
            await _settled(books)
            assert (await books.reckon()).discrepancies() == []
        await _steward(system, "keys", "check")
        return await snapshot(system.database_url, system.secrets)


async def _kill(system: System, name: str) -> None:
    """Kill; wait for the next life only of Kafka, which upstream needs for what comes next."""
    killed = system.pid(name)
    os.kill(killed, signal.SIGKILL)
    async with asyncio.timeout(60):
        while name == "kafka":
            with contextlib.suppress(KeyError):
                if system.pid(name) != killed:
                    return
            await asyncio.sleep(0.05)  # the supervisor tells nobody


async def _kafka_answers(system: System) -> None:
    """Upstream systems wait for a broker that is away, as the services do."""
    host, _, port = system.cluster.bootstrap_servers.partition(":")
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.2)  # nothing announces its return
            else:
                writer.close()
                await writer.wait_closed()
                return


async def _postgres_answers(system: System) -> None:
    async with asyncio.timeout(60):
        while True:
            if await missing_from_postgres(system.database_url) is None:
                return
            await asyncio.sleep(0.2)  # nothing announces its return


async def test_killing_every_process_once_changes_no_table(tmp_path: Path) -> None:
    victims = [*NAMES, "kafka", "postgres"]
    parts = _parts_of_a_day(tmp_path, len(victims) + 1)
    undisturbed = await _run(tmp_path / "undisturbed", parts, [])
    killed = await _run(tmp_path / "killed", parts, victims)
    assert undisturbed["registration.registration"]
    assert killed.keys() == undisturbed.keys()
    differences = {
        table: {"missing": _less(rows, killed[table]), "surplus": _less(killed[table], rows)}
        for table, rows in undisturbed.items()
        if killed[table] != rows
    }
    assert differences == {}


def _less(rows: Sequence[str], others: Sequence[str]) -> list[str]:
    return sorted((Counter(rows) - Counter(others)).elements())
