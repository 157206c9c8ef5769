"""How much memory each service takes at most while all of them have much to do."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import psutil

from bench.ground import PLAN, Ground, Watch
from bench.load import registrations
from bench.registry import benchmark
from bench.throughput import STEWARD
from services.cli.schemas import SERVICES
from shared.runtime.database import without_credentials

MORE = 10_000
"""Registrations at most that come while all services run."""

_ROOT = Path(__file__).parents[1]


async def _memories(ground: Ground) -> Mapping[str, float]:
    """The most that each process had in memory (MB, resident), all services at work at once."""
    await ground.results.value(STEWARD)
    async with AsyncExitStack() as stack:
        processes = {
            service: await stack.enter_async_context(_process(ground, service))
            for service in SERVICES
        }
        facts = await stack.enter_async_context(ground.watched("registration"))
        most = dict.fromkeys(processes, 0.0)
        sampling = asyncio.create_task(_sample(processes, most))
        try:
            await _give_work(ground, facts)
        finally:
            sampling.cancel()
        return most


async def _give_work(ground: Ground, facts: Watch) -> None:
    """More registrations; over when everybody who hears of them has heard everything."""
    more = min(MORE, ground.registrations)
    total = await facts.total() + more
    await ground.produce(registrations(ground.registrations, more))
    await facts.until(total)
    async with asyncio.timeout(600):
        while await _heard(ground) < total:  # noqa: ASYNC110 - a table tells nobody
            await asyncio.sleep(0.2)


async def _heard(ground: Ground) -> int:
    """How far the slowest reader of registration's facts is."""
    connection = await asyncpg.connect(ground.database_url)
    try:
        positions = [
            await connection.fetchval(
                f"select coalesce(sum(next_offset), 0)::bigint from {service}.position"  # noqa: S608 - our own names
                " where topic = 'registration'"
            )
            for service in ("consent", "finance", "retention")
        ]
    finally:
        await connection.close()
    return int(min(positions))


async def _sample(processes: Mapping[str, psutil.Process], most: dict[str, float]) -> None:
    while True:
        for service, process in processes.items():
            most[service] = max(most[service], process.memory_info().rss / 1e6)
        await asyncio.sleep(0.1)


@asynccontextmanager
async def _process(ground: Ground, service: str) -> AsyncIterator[psutil.Process]:
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": ground.bootstrap_servers,
        "DATABASE_URL": without_credentials(ground.database_url),
        "STEWARD_SECRETS": str(ground.secrets.path),
        "STEWARD_PLAN": str(PLAN),
        "STEWARD_LOG_LEVEL": "warning",
        "STEWARD_HTTP_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "run", service, env=environment, cwd=_ROOT
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


def _register(service: str) -> None:
    @benchmark(f"memory-{service}", unit="MB", aim=150, better="lower")
    async def measure(ground: Ground) -> float:
        memories = await ground.once("memories", lambda: _memories(ground))
        return memories[service]


for _service in SERVICES:
    _register(_service)
