"""`python -m bench.curves`: throughput against batch size, latency against load, as JSON."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypedDict

import orjson
import typer
import uvloop

from bench import system
from bench.contest import backlog
from bench.figures import percentile
from bench.ground import Ground, opened
from bench.sizes import NORMAL, Sizes
from bench.steward import facts_per_second
from bench.throughput import bare_rate
from bench.withdrawals import latency
from shared.runtime.logging import configure_logging
from shared.runtime.memory import spare_the_collector

CURVES = Path(__file__).parent / "results" / "curves.json"
BATCHES = (10, 30, 100, 300, 1_000, 3_000)
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
SMALL_BATCH = 100
"""Smaller batches take long for each message: they get a quarter of the messages."""


class Throughput(TypedDict):
    """Messages a second with batches of at most so many."""

    batch: int
    steward: float
    bare_loop: float


class Load(TypedDict):
    """Milliseconds of a withdrawal at a share of full load, which is so many registrations/s."""

    share: float
    registrations_a_second: float
    p50_ms: float
    p99_ms: float


class Curves(TypedDict):
    """What `results/curves.json` holds."""

    throughput: list[Throughput]
    latency: list[Load]


def main(
    registrations: Annotated[int, typer.Option(min=100, help="For each batch size.")] = 20_000,
    messages: Annotated[int, typer.Option(min=100, help="To find what full load is.")] = 50_000,
    seconds: Annotated[float, typer.Option(min=1, help="For each load.")] = 10.0,
    output: Annotated[Path, typer.Option(help="Where it is written.")] = CURVES,
) -> None:
    """Measure both curves; about ten minutes. `python -m bench.plots` draws them.

    For example: python -m bench.curves --registrations 2000 --output /tmp/curves.json
    """
    configure_logging("bench", "console", "error")
    spare_the_collector()
    sizes = replace(NORMAL, registrations=registrations, messages=messages, latency_s=seconds)
    measured = uvloop.run(_measure(sizes))
    output.write_bytes(
        orjson.dumps(measured, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )


async def _measure(sizes: Sizes) -> Curves:
    async with opened(sizes, typer.echo) as ground:
        throughput = [await _with_batches(ground, batch) for batch in BATCHES]
        await ground.results.measure([system.RATE])
        for error in ground.results.failures.values():
            raise error
        return {
            "throughput": throughput,
            "latency": [await _under_load(ground, share) for share in SHARES],
        }


async def _with_batches(ground: Ground, batch: int) -> Throughput:
    typer.echo(f"batches of {batch}")
    usual, ground.round = ground.sizes, ground.round + 1
    if batch < SMALL_BATCH:
        ground.sizes = replace(usual, registrations=max(100, usual.registrations // 4))
    try:
        waiting = await backlog(ground)
        bare = await bare_rate(waiting, batch=batch)
        rate = await facts_per_second(waiting.stage, waiting.registrations, batch_max_records=batch)
    finally:
        ground.sizes = usual
    return {"batch": batch, "steward": rate, "bare_loop": bare}


async def _under_load(ground: Ground, share: float) -> Load:
    typer.echo(f"withdrawals at {share:.0%} of full load")
    rate = ground.results.value(system.RATE) * share
    stage = await ground.stage(system.STAGE)
    timed = (await latency(stage, rate, ground.sizes.latency_s)).milliseconds
    return {
        "share": share,
        "registrations_a_second": rate,
        "p50_ms": percentile(timed, 0.5),
        "p99_ms": percentile(timed, 0.99),
    }


if __name__ == "__main__":
    typer.run(main)
