"""All services at once, each a process of its own or two: rate, processor time, memory, tables."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import psutil

from bench.figures import slope
from bench.ground import Ground
from bench.load import announcements, registrations
from bench.processes import Memory, cpu_of, server_processes
from bench.registry import Measured, benchmark
from bench.stage import WITHIN_S, Stage
from bench.steward import service_process
from bench.tables import Tables, tables_of
from services.cli.processes import PROCESSES
from services.cli.reckoning import Books, open_books
from shared.runtime.clock import utc_now

STAGE = "all services"
RATE = "all-services"
WARM = 2_000
"""Registrations before anything is counted: what is loaded when it is first needed is there."""

SAMPLE_S = 0.5

_PROCESSES = {spec.name: spec for spec in PROCESSES}


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of a long run came to. Processor times are in seconds, of each process."""

    registrations: int
    took_s: float
    cpu: Mapping[str, float]

    def cost(self, processes: Collection[str]) -> float:
        """What a registration took of these processes, in µs."""
        return sum(self.cpu[name] for name in processes) / self.registrations * 1e6


@dataclass(frozen=True, slots=True)
class Run:
    """What one long run came to: each part of it is a run of what is measured more than once."""

    parts: Sequence[Part]
    memory: Mapping[str, Memory]
    tables: Tables

    @property
    def registrations(self) -> int:
        """In all parts."""
        return sum(part.registrations for part in self.parts)

    def costs(self, processes: Collection[str]) -> Measured:
        """What a registration took of these processes, in µs, part by part; and each over all."""
        each = {
            name: sum(part.cpu[name] for part in self.parts) / self.registrations * 1e6
            for name in processes
        }
        return Measured([part.cost(processes) for part in self.parts], _rounded(each))


@asynccontextmanager
async def all_services(stage: Stage) -> AsyncIterator[Mapping[str, psutil.Process]]:
    """All processes of services, as `steward up` runs them, ready."""
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(
            *(
                stack.enter_async_context(service_process(stage, spec.service, **spec.environment))
                for spec in PROCESSES
            )
        )
        yield dict(zip(_PROCESSES, opened, strict=True))


async def run(ground: Ground) -> Run:
    """The run that all benchmarks here look at; made by the first."""
    stage = await ground.stage(STAGE)
    return await stage.once("run", lambda: _run(ground, stage))


async def _run(ground: Ground, stage: Stage) -> Run:
    many = ground.sizes.messages
    async with all_services(stage) as services, _books(stage) as books:
        await stage.once("events", lambda: stage.produce(announcements(utc_now())))
        await take(stage, books, WARM)
        processes = {**services, **server_processes(stage)}
        memory = {name: Memory() for name in services}
        sampling = asyncio.create_task(_sample(stage, services, memory))
        try:
            parts = [
                await _part(stage, books, processes, many // ground.sizes.rounds)
                for _ in range(ground.sizes.rounds)
            ]
        finally:
            sampling.cancel()
        return Run(parts, memory, await tables_of(stage.database_url))


async def _part(
    stage: Stage, books: Books, processes: Mapping[str, psutil.Process], many: int
) -> Part:
    before = {name: cpu_of([process]) for name, process in processes.items()}
    began = time.perf_counter()
    await take(stage, books, many)
    took_s = time.perf_counter() - began
    after = {name: cpu_of([process]) for name, process in processes.items()}
    return Part(many, took_s, {name: after[name] - before[name] for name in processes})


def _books(stage: Stage) -> AbstractAsyncContextManager[Books]:
    return open_books(stage.database_url, stage.cluster)


async def take(stage: Stage, books: Books, many: int) -> None:
    """Publish so many registrations, and wait until every service has heard and said all of it."""
    first = stage.next_serials(many)
    async with stage.watched("registration") as facts:
        total = await facts.total() + many
        await stage.produce(registrations(first, many, utc_now()))
        await facts.until(total)
    await settled(books)


async def settled(books: Books) -> None:
    """Wait until nobody has anything to take or to say."""
    async with asyncio.timeout(WITHIN_S):
        while not all(one.settled for one in await books.progress()):  # noqa: ASYNC110 - tables tell nobody
            await asyncio.sleep(SAMPLE_S)


async def _sample(
    stage: Stage, services: Mapping[str, psutil.Process], memory: Mapping[str, Memory]
) -> None:
    connection = await asyncpg.connect(stage.database_url)
    try:
        while True:
            for name, process in services.items():
                memory[name].add(await taken(connection, _PROCESSES[name].service), process)
            await asyncio.sleep(SAMPLE_S)
    finally:
        await connection.close()


async def taken(connection: asyncpg.Connection[asyncpg.Record], service: str) -> int:
    """How many messages a service has taken so far."""
    return int(
        await connection.fetchval(
            f"select coalesce(sum(next_offset), 0)::bigint from {service}.position"  # noqa: S608 - our own names
        )
    )


@benchmark(RATE, unit="messages/s")
async def rate(ground: Ground) -> Measured:
    """Registrations a second until the last service has heard the last fact of them."""
    one = await run(ground)
    rates = [part.registrations / part.took_s for part in one.parts]
    return Measured(rates, {"registrations": one.registrations})


@benchmark("cpu-services", unit="µs/registration", aim=250, better="lower", needs=(RATE,))
async def cpu_services(ground: Ground) -> Measured:
    """Processor time of every process but Kafka and Postgres."""
    return (await run(ground)).costs(_PROCESSES)


@benchmark("cpu-with-servers", unit="µs/registration", aim=500, better="lower", needs=(RATE,))
async def cpu_with_servers(ground: Ground) -> Measured:
    """The same with Kafka and Postgres, all of its processes."""
    one = await run(ground)
    return one.costs(one.parts[0].cpu)


def _register_memory(process: str) -> None:
    @benchmark(f"memory-{process}", unit="MB", aim=150, better="lower", needs=(RATE,))
    async def most(ground: Ground) -> Measured:
        one = await run(ground)
        growth = slope(one.memory[process].second_half()) * 1e6
        details = {"registrations": one.registrations, "mb_per_million": round(growth, 2)}
        return Measured([one.memory[process].most], details)


for _process in _PROCESSES:
    _register_memory(_process)


@benchmark("memory-growth", unit="MB/million", aim=5, better="lower", needs=(RATE,))
async def memory_growth(ground: Ground) -> Measured:
    """How much the process that grows most grows over the second half of the run."""
    one = await run(ground)
    each = {name: slope(seen.second_half()) * 1e6 for name, seen in one.memory.items()}
    return Measured([max(each.values())], _rounded(each))


@benchmark("outbox-size", unit="MB", better="lower", needs=(RATE,))
async def outbox_size(ground: Ground) -> Measured:
    """The largest outbox, emptied again, with its index, after the run at full speed."""
    tables = (await run(ground)).tables
    return Measured([tables.largest("outbox")], tables.about("outbox"))


@benchmark("counts-size", unit="MB", better="lower", needs=(RATE,))
async def counts_size(ground: Ground) -> Measured:
    """The largest table of outcome counts, updated in place by every batch, after the run."""
    tables = (await run(ground)).tables
    return Measured([tables.largest("outcome_count")], tables.about("outcome_count"))


@benchmark("kept-size", unit="bytes/registration", better="lower", needs=(RATE,))
async def kept_size(ground: Ground) -> Measured:
    """What a registration leaves in tables, indexes included: all that have grown with the run."""
    one = await run(ground)
    grown = one.tables.grown(one.registrations)
    kept = sum(table.size for table in grown) / (one.registrations + WARM)
    return Measured([kept], {f"{table.service}.{table.name}": table.about for table in grown})


def _rounded(figures: Mapping[str, float]) -> dict[str, object]:
    return {name: round(figure, 1) for name, figure in figures.items()}
