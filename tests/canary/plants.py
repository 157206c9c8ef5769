"""Marks that we put ourselves into every kind of place: not to find them is to be blind."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from aiokafka import AIOKafkaProducer

from shared.contract.topics import TopicSpec
from shared.runtime.cluster import Cluster
from shared.runtime.topics import create_topics
from tests.canary.marks import PLANTED, Marks
from tests.canary.places import (
    ARGUMENTS,
    COMPRESSED,
    FILES,
    LOGS,
    SEGMENTS,
    STRAY_FILES,
    TABLES,
    TEMPORARY,
    WAL,
)
from tests.canary.stack import Stack
from tests.canary.watch import Watch
from tests.canary.writings import WRITINGS
from tests.support.waiting import eventually

WHERE: Final = (
    *(ARGUMENTS, COMPRESSED, FILES, LOGS, SEGMENTS, STRAY_FILES, TABLES, TEMPORARY, WAL),
)
"""Places in which a planted mark must be found."""

_TOPIC: Final = "planted"
_LINGERING: Final = (
    "import os, sys, tempfile\n"
    "with tempfile.TemporaryFile(dir=os.environ['TMPDIR']) as file:\n"
    "    file.write(sys.argv[1].encode())\n"
    "    file.flush()\n"
    "    sys.stdin.read()\n"
)
"""A program that has a mark among its arguments and in a file that no folder shows."""


async def plant(stack: Stack, marks: Marks, watch: Watch) -> None:
    """Put planted marks everywhere."""
    mark = marks.of(PLANTED, "other")
    text = b"\n".join(write(f"x {mark} ") for _, write in WRITINGS.values())
    (stack.folder / "tmp" / "planted").write_bytes(text)
    with (stack.folder / "logs" / "planted.log").open("wb") as log:
        log.write(text)
    await asyncio.gather(
        _plant_in_postgres(stack, mark),
        _plant_in_kafka(stack, mark),
        _plant_process(mark, stack, watch),
    )


async def _plant_in_postgres(stack: Stack, mark: str) -> None:
    """One row that stays, one that is deleted: both are in the files and in the WAL."""
    connection = await asyncpg.connect(stack.system.database_url)
    try:
        await connection.execute("create table public.planted (text text, raw bytea)")
        insert = "insert into public.planted values ($1, $2)"
        await connection.execute(insert, mark, mark.encode())
        await connection.execute(insert, mark, zlib.compress(mark.encode()))
        await connection.execute("delete from public.planted where raw <> convert_to(text, 'UTF8')")
    finally:
        await connection.close()


async def _plant_in_kafka(stack: Stack, mark: str) -> None:
    servers = stack.system.cluster.bootstrap_servers
    await create_topics(
        Cluster(servers), [TopicSpec(_TOPIC, 1, {}, "nobody", "nothing", inbound=False)]
    )
    for codec in (None, "gzip"):
        async with AIOKafkaProducer(
            bootstrap_servers=servers, compression_type=codec, linger_ms=50
        ) as producer:
            # What occurs once only, gzip leaves as it is.
            many = [await producer.send(_TOPIC, f"{mark} and again {mark}".encode()) for _ in "abc"]
            await asyncio.gather(*many)


async def _plant_process(mark: str, stack: Stack, watch: Watch) -> None:
    async with _lingering(mark, stack):
        await eventually(lambda: all(map(watch.has_planted, (ARGUMENTS, STRAY_FILES))))


@asynccontextmanager
async def _lingering(mark: str, stack: Stack) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _LINGERING, mark),
        stdin=asyncio.subprocess.PIPE,
        env={"TMPDIR": str(stack.folder / "tmp")},
    )
    try:
        yield
    finally:
        await process.communicate(b"")
