"""What a message costs when the tables are full, and how large they are then."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.contest import open_events
from bench.filling import POSTGRES_SETTINGS, fill
from bench.ground import Ground
from bench.load import registrations
from bench.processes import cpu_seconds, own_cpu_seconds, server_processes
from bench.registry import Measured, benchmark
from bench.stage import Stage
from bench.steward import facts_per_second
from bench.tables import Tables, tables_of
from shared.runtime.clock import utc_now

STAGE = "full tables"
FULL = "cost-when-full"
COLD = "cost-when-cold"
WARM_SHARE = 50
LARGE = "steward_full"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two databases on one Postgres: as the service left the small one, and filled."""

    small: Stage
    full: Stage
    tables: Tables
    filled_in_s: float


async def _pair(ground: Ground) -> Pair:
    stage = await ground.stage(STAGE, POSTGRES_SETTINGS)
    return await stage.once("pair", lambda: _make_pair(ground, stage))


async def _make_pair(ground: Ground, stage: Stage) -> Pair:
    """The small one has real rows of real registrations; the other is a copy of it, filled.

    Positions are copied too: both services go on in the topics where the copy was made.
    """
    await open_events(stage)
    await _register(stage, ground.sizes.few_rows)
    await facts_per_second(stage, ground.sizes.few_rows)
    url = urlsplit(stage.database_url)
    connection = await asyncpg.connect(urlunsplit(url._replace(path="/postgres")))
    try:
        await connection.execute(
            f"create database {LARGE} template {url.path[1:]} strategy file_copy"
        )
    finally:
        await connection.close()
    full = replace(stage, database_url=urlunsplit(url._replace(path=f"/{LARGE}")))
    began = time.perf_counter()
    await fill(full.database_url, ground.sizes.rows, ground.tell)
    took_s = time.perf_counter() - began
    return Pair(stage, full, await tables_of(full.database_url), took_s)


async def _register(stage: Stage, many: int) -> None:
    await stage.produce(registrations(stage.next_serials(many), many, utc_now()))


async def _costs(ground: Ground, many: int, *, full_first: bool = False) -> dict[str, Cost]:
    """Of so many registrations through the service, once on each database."""
    pair = await _pair(ground)
    await _register(pair.small, many)
    stages = {"few": pair.small, "full": pair.full}
    order = reversed(stages.items()) if full_first else stages.items()
    return {name: await _cost(stage, many) for name, stage in order}


def _ratio(*measured: Mapping[str, Cost]) -> float:
    """How many times longer it took with many rows, over all of these. Pure."""
    full, few = (sum(one[name].took_us for one in measured) for name in ("full", "few"))
    return full / few


def _told(costs: Mapping[str, Cost]) -> dict[str, object]:
    return {name: asdict(cost) for name, cost in costs.items()}


@benchmark(COLD, unit="ratio", better="lower")
async def cost_when_cold(ground: Ground) -> Measured:
    """The same as `cost-when-full`, by what comes first after a checkpoint with nothing in memory.

    Almost every row of an index is then on a page that is read, and written whole to the log.
    """
    costs = await _costs(ground, ground.sizes.crowd)
    return Measured([_ratio(costs)], {"for_each_message": _told(costs)})


@benchmark(FULL, unit="ratio", aim=1.2, better="lower", needs=(COLD,))
async def cost_when_full(ground: Ground) -> Measured:
    """Time per registration with all those rows in inbox, state and keyring, against few.

    The same registrations go through the service twice, once on each database: half of a round on
    the small one first, half on the full one, so that a checkpoint or a minute that grows slower
    falls on both. Before that the full one takes a fiftieth of its rows more, which do not count:
    it is at work.
    """
    pair = await _pair(ground)
    warm = ground.sizes.rows // WARM_SHARE
    ground.tell(f"{warm:,} registrations that do not count")
    await _register(pair.small, warm)
    await facts_per_second(pair.full, warm)
    await _skip(pair)
    runs, told = [], []
    for number in range(ground.sizes.rounds):
        ground.tell(f"{FULL} ({number + 1} of {ground.sizes.rounds})")
        halves = [
            await _costs(ground, ground.sizes.crowd // 2, full_first=full_first)
            for full_first in (False, True)
        ]
        runs.append(_ratio(*halves))
        told.append([_told(half) for half in halves])
    details: dict[str, object] = {
        "few_rows": ground.sizes.few_rows,
        "rows": ground.sizes.rows,
        "filled_in_s": round(pair.filled_in_s),
        "for_each_message": told,
    }
    return Measured(runs, details)


async def _skip(pair: Pair) -> None:
    """Let the small database go on where the full one is: it stays small."""
    small = await asyncpg.connect(pair.small.database_url)
    full = await asyncpg.connect(pair.full.database_url)
    try:
        positions = await full.fetch(
            "select topic, partition, next_offset from registration.position"
        )
        await small.executemany(
            "update registration.position set next_offset = $3 where topic = $1 and partition = $2",
            [tuple(position) for position in positions],
        )
    finally:
        await small.close()
        await full.close()


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds for each message: on the clock, and of processors, start and end included."""

    took_us: float
    service_cpu_us: float
    postgres_cpu_us: float


async def _cost(stage: Stage, many: int) -> Cost:
    """Let the service take what waits for it in the topic."""
    server = server_processes(stage)["postgres"]
    before, own_before = cpu_seconds(server), own_cpu_seconds()
    rate = await facts_per_second(stage, many)
    own, postgres = own_cpu_seconds() - own_before, cpu_seconds(server) - before
    return Cost(*(round(cost * 1e6, 1) for cost in (1 / rate, own / many, postgres / many)))


@benchmark("inbox-size", unit="bytes/message", better="lower", needs=(FULL,))
async def inbox_size(ground: Ground) -> Measured:
    """What the inbox takes for a message, index included, at that many; days are dropped whole."""
    tables = (await _pair(ground)).tables
    (inbox,) = (table for table in tables.named("inbox") if table.service == "registration")
    about = tables.about("inbox")["registration"]
    return Measured([inbox.size / max(inbox.rows, 1)], {"registration": about})
