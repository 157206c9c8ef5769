"""Every benchmark, small: what it needs is there, and it comes to a figure."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bench.__main__ import load
from bench.ground import Ground, opened
from bench.registry import BENCHMARKS
from bench.sizes import Sizes

TINY = Sizes(
    rounds=1,
    registrations=400,
    peers=40,
    crowd=80,
    messages=400,
    rows=2_000,
    few_rows=100,
    entries=2_000,
    verified=2_000,
    latency_s=0.5,
)
load()
CHEAP = ("bare-loop", "usual-handler", "steward-registration", "one-event-to-1000", "inbox-size")
"""In turn with those that they need; few servers are started for these."""


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    async with opened(TINY, lambda _: None) as ground:
        yield ground


async def measure(ground: Ground, *names: str) -> dict[str, float]:
    await ground.results.measure(names)
    for error in ground.results.failures.values():
        raise error
    return {row["name"]: row["value"] for row in ground.results.rows}


async def test_the_cheap_ones_come_to_a_figure(ground: Ground) -> None:
    values = await measure(ground, *CHEAP)
    assert set(CHEAP) <= set(values)
    assert all(value > 0 for value in values.values())


@pytest.mark.bench
@pytest.mark.timeout(600)
async def test_all_come_to_a_figure(ground: Ground) -> None:
    values = await measure(ground, *BENCHMARKS)
    assert set(values) == set(BENCHMARKS)
