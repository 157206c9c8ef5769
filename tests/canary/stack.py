"""The real stack: Kafka, Postgres, services as processes, and commands as a user calls them."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import asyncpg

from services.cli.reckoning import open_books
from services.cli.system import Options, Ports, System, running_system
from shared.contract.topics import TOPICS
from shared.runtime.topics import create_topics
from tests.faults.ground import PLAN, Ground, open_ground
from tests.support.collector import Collector, collecting

SETTLES_WITHIN_S: Final = 600.0

# What was deleted is looked for every five minutes, and stays in renamed files for one more.
_DELETE_SOON: Final = "log.initial.task.delay.ms=0\nlog.segment.delete.delay.ms=0\n"

# A value of some length is compressed in its row, in the log of changes too, and nobody could find
# a text in there. Where it is not, files hold what they hold in clear.
_COMPRESSED: Final = """
    select format(
        'alter table %s alter column %I set storage external', a.attrelid::regclass, a.attname)
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relkind in ('r', 'p') and c.relnamespace::regnamespace::text <> all($1::text[])
        and a.attnum > 0 and not a.attisdropped and a.attstorage in ('x', 'm')"""
CATALOGS: Final = ("pg_catalog", "information_schema", "pg_toast")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: bytes
    complaint: bytes


@dataclass(frozen=True)
class Stack:
    """Everything that runs. `outside` is a folder that is no part of the system."""

    ground: Ground
    system: System
    outside: Path
    collector: Collector
    """Has the spans of all services."""

    @property
    def folder(self) -> Path:
        """Below it lies all that the system has on disk, save what Postgres has."""
        return self.ground.folder

    @property
    def postgres_folder(self) -> Path:
        return (self.ground.folder / "postgres" / "data").resolve()

    def lasting_folders(self) -> tuple[Path, ...]:
        """Where what is written stays; and ours, which is no part of the system."""
        of_processes = (self.folder / name for name in ("kafka", "logs", "postgres", "run"))
        return (*of_processes, self.postgres_folder, self.outside)

    async def steward(self, *arguments: str, given: str | None = None) -> Said:
        """Run a command with this text as its standard input."""
        process = await self.started(*arguments)
        out, complaint = await process.communicate((given or "").encode())
        return Said(process.returncode or 0, out, complaint)

    async def started(self, *arguments: str) -> asyncio.subprocess.Process:
        """A command that runs."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**_environ(self.ground), **self.system.environment, "COLUMNS": "200"},
        )

    async def settle(self) -> None:
        """Wait until every service has taken and said everything. Raises TimeoutError."""
        servers = (self.system.database_url, self.system.cluster)
        async with asyncio.timeout(SETTLES_WITHIN_S), open_books(*servers) as books:
            while True:
                if all(one.settled for one in await books.progress()):
                    return
                await asyncio.sleep(0.1)  # nothing announces that all is quiet

    async def let_inbound_pass(self) -> None:
        """From now on a segment of an inbound topic is closed as soon as anything follows it."""
        soon = {"segment.ms": "1", "file.delete.delay.ms": "0"}
        inbound = [topic for topic in TOPICS if topic.inbound]
        await create_topics(
            self.system.cluster,
            [replace(topic, settings={**topic.settings, **soon}) for topic in inbound],
        )


@asynccontextmanager
async def running_stack() -> AsyncIterator[Stack]:
    """Start it, logging all that it can say; stop it, and remove everything, at the end."""
    outside = Path(tempfile.mkdtemp(prefix="steward-canary-"))
    try:
        async with (
            collecting() as (collector, takes_traces),
            open_ground(properties=_DELETE_SOON) as ground,
        ):
            await _leave_uncompressed(ground.database_url)
            (ground.folder / "tmp").mkdir()
            options = Options(
                home=ground.folder,
                plan=PLAN,
                secrets=ground.secrets.path,
                ports=Ports(any_free=True),
                environ=_environ(ground)
                | {
                    "DATABASE_URL": ground.database_url,
                    "OTEL_EXPORTER_OTLP_ENDPOINT": takes_traces,
                    "OTEL_BSP_SCHEDULE_DELAY": "100",
                },
                ready_within_s=60.0,
            )
            async with running_system(options) as system:
                if system.not_ready:
                    raise TimeoutError(f"not ready: {dict(system.not_ready)}")
                yield Stack(ground, system, outside, collector)
    finally:
        shutil.rmtree(outside, ignore_errors=True)


def _environ(ground: Ground) -> dict[str, str]:
    """As a user has it, with temporary files where they are found again."""
    ours: Mapping[str, str] = {
        **ground.environ,
        "STEWARD_HOME": str(ground.folder),
        "STEWARD_LOG_LEVEL": "debug",
        "TMPDIR": str(ground.folder / "tmp"),
    }
    return {**os.environ, **ours}


async def _leave_uncompressed(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("show wal_compression") != "off":
            raise RuntimeError("wal_compression is on: nothing could be found in the WAL")
        for row in await connection.fetch(_COMPRESSED, list(CATALOGS)):
            await connection.execute(row[0])
    finally:
        await connection.close()
