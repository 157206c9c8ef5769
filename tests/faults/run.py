"""Inflicts injuries, each in a world of its own or several in one, and says what came of them."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime

import psutil

from services.cli.processes import NAMES
from shared.local.logs import tail
from tests.faults.answers import Difference, subtract
from tests.faults.registry import Injury, Row
from tests.faults.world import (
    NotRecoveredError,
    NotSettledError,
    Options,
    World,
    open_world,
)

WRITES_WITHIN_S = 1.0

SHOWN = 20
"""So many differences and so many last events are told of a failure."""

Wanted = Sequence[tuple[Injury, int]]
"""Injuries, and how many times each."""


async def rows_of(wanted: Wanted, options: Options) -> AsyncIterator[Row]:
    """Inflict all of these on one world, one after the other. What one left behind is not held
    against the next.
    """
    known = Difference()
    proxied = any(injury.proxied for injury, _ in wanted)
    brokers = max(injury.brokers for injury, _ in wanted)
    small_disks = any(injury.small_disks for injury, _ in wanted)
    options = replace(options, proxied=proxied, brokers=brokers, small_disks=small_disks)
    async with open_world(options) as world:
        for injury, times in wanted:
            world.note(f"{injury.name}: {times} times")
            row, found = await _inflict(world, injury, times, known)
            known = found or known
            yield row
            if found is None:
                return  # it does not come to rest: whatever came next would say nothing


async def _inflict(
    world: World, injury: Injury, times: int, known: Difference
) -> tuple[Row, Difference | None]:
    """The row, and all differences there are now; None where the world does not settle."""
    before, world.recovered_s, handed_over = world.messages, 0.0, world.disclosures
    found: Difference | None = None
    failures: list[str] = []
    try:
        async with nullcontext() if injury.quiet else world.under_load():
            await injury.inflict(world, times)
        await world.settle()
        found = await world.compare()
    except* (NotSettledError, NotRecoveredError, AssertionError) as errors:
        failures = [f"{type(one).__name__}: {one}" for one in _leaves(errors)]
        await _ask_where_they_stand(world)
        failures += _ends_of_logs(world)
    fresh = Difference() if found is None else subtract(found, known)
    limit = injury.recovers_within_s
    if limit is not None and world.recovered_s > limit:
        failures.append(f"it took {world.recovered_s:.1f} s to recover; {limit:.0f} s are allowed")
    row = Row(
        injury=injury.name,
        times=times,
        seed=world.options.seed,
        messages=world.messages - before,
        lost=len(fresh.lost),
        doubled=len(fresh.doubled),
        reordered=len(fresh.reordered),
        recovered_s_max=round(world.recovered_s, 1),
        disclosures=world.disclosures - handed_over,
        passed=not fresh and not failures,
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
    )
    if not row["passed"]:
        row["why"] = failures + _told(fresh) + list(world.journal)[-SHOWN:]
    return row, found


def machine() -> str:
    """What it ran on: enough to judge times by."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def _told(difference: Difference) -> list[str]:
    named = {"lost": difference.lost, "doubled": difference.doubled}
    named["reordered"] = difference.reordered
    return [f"{name}: {one}" for name, found in named.items() for one in sorted(found)[:SHOWN]]


def _leaves(errors: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in errors.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


async def _ask_where_they_stand(world: World) -> None:
    """Have every service write it into its log, for whoever looks for what one waits for."""
    for replica in world.all_replicas():
        if replica.present is not None:
            replica.present.kill(signal.SIGUSR1)
    await asyncio.sleep(WRITES_WITHIN_S)


def _ends_of_logs(world: World) -> list[str]:
    return [f"{name}: {line}" for name in NAMES for line in tail(world.log_of(name), 3)]
