"""Inflicts injuries, each in a world of its own or several in one, and says what came of them."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import subprocess
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import psutil

from services.cli.processes import NAMES
from shared.local.logs import tail
from tests.faults.answers import Difference, subtract
from tests.faults.registry import Injury, Row
from tests.faults.replicas import BEGINS_WITHIN_S
from tests.faults.world import Options, World, open_world

WRITES_WITHIN_S = 1.0

SHOWN = 20
"""So many differences and so many last events are told of a failure."""

Wanted = Sequence[tuple[Injury, int]]
"""Injuries, and how many times each."""


async def rows_of(wanted: Wanted, options: Options) -> AsyncIterator[Row]:
    """Inflict all of these on one world, one after the other. What one left behind is not held
    against the next. Whatever goes wrong is in a row; what did not come to its turn has none.
    """
    known = Difference()
    proxied = any(injury.proxied for injury, _ in wanted)
    brokers = max(injury.brokers for injury, _ in wanted)
    small_disks = any(injury.small_disks for injury, _ in wanted)
    options = replace(options, proxied=proxied, brokers=brokers, small_disks=small_disks)
    row = nothing_yet(*wanted[0], options.seed)
    try:
        async with open_world(options) as world:
            for injury, times in wanted:
                world.note(f"{injury.name}: {times} times")
                row, found = await _inflict(world, injury, times, known)
                known = found or known
                yield row
                if found is None:
                    return  # it does not come to rest: whatever came next would say nothing
    except Exception as error:  # noqa: BLE001 - the world itself did not begin or end
        yield row | {"passed": False, "why": _said(error)}


async def _inflict(
    world: World, injury: Injury, times: int, known: Difference
) -> tuple[Row, Difference | None]:
    """The row, and all differences there are now; None where the world does not settle."""
    before, handed_over = world.messages, world.disclosures
    world.recovered_s = 0.0
    world.deaths_at_steps.clear()
    found: Difference | None = None
    failures: list[str] = []
    try:
        async with nullcontext() if injury.quiet else world.under_load():
            await injury.inflict(world, times)
        await world.settle()
        found = await world.compare()
    except* Exception as errors:  # noqa: BLE001 - hours of others are not to end with it
        found, failures = None, _said(errors)
        await _ask_where_they_stand(world)
        failures += _ends_of_logs(world)
    failures += world.ended_by_themselves  # whatever the injury is: nothing stops a service
    world.ended_by_themselves.clear()
    fresh = Difference() if found is None else subtract(found, known)
    limit = injury.recovers_within_s
    if limit is not None and world.recovered_s > limit:
        failures.append(f"it took {world.recovered_s:.1f} s to recover; {limit:.0f} s are allowed")
    row = nothing_yet(injury, times, world.options.seed)
    row |= {
        "messages": world.messages - before,
        "lost": len(fresh.lost),
        "doubled": len(fresh.doubled),
        "reordered": len(fresh.reordered),
        "recovered_s_max": round(world.recovered_s, 1),
        "disclosures": world.disclosures - handed_over,
        "deaths_at_steps": world.deaths_at_steps.total(),
        "passed": not fresh and not failures,
    }
    if world.deaths_at_steps:
        row["deaths_at_rarest_step"] = min(world.deaths_at_steps.values())
    if not row["passed"]:
        row["why"] = failures + _told(fresh) + list(world.journal)[-SHOWN:]
    return row, found


def nothing_yet(injury: Injury, times: int, seed: int) -> Row:
    """The row of what was not inflicted so far."""
    return Row(
        injury=injury.name,
        times=times,
        seed=seed,
        messages=0,
        lost=0,
        doubled=0,
        reordered=0,
        recovered_s_max=0.0,
        disclosures=0,
        deaths_at_steps=0,
        passed=False,
        date=datetime.now(UTC).date().isoformat(),
        commit=commit(),
        machine=machine(),
    )


@cache
def commit(here: Path = Path(__file__).parent) -> str:
    """Of the code as it was when the first row began."""
    try:
        head = _git(here, "rev-parse", "HEAD")
        # What was written by a run is no change of what runs.
        changed = _git(here, "status", "--porcelain", "--untracked-files=no", ":/", ":!results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head} and changes" if changed else head


def _git(here: Path, *arguments: str) -> str:
    command = ("git", "-C", str(here), *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def machine() -> str:
    """What it ran on: enough to judge times by."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def _told(difference: Difference) -> list[str]:
    named = {"lost": difference.lost, "doubled": difference.doubled}
    named["reordered"] = difference.reordered
    return [f"{name}: {one}" for name, found in named.items() for one in sorted(found)[:SHOWN]]


def _said(error: BaseException) -> list[str]:
    """What an error says, or each one of a group, and where it comes from."""
    if isinstance(error, BaseExceptionGroup):
        return [text for one in error.exceptions for text in _said(one)]
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in last)
    return [f"{type(error).__name__}: {error}{place}"]


async def _ask_where_they_stand(world: World) -> None:
    """Have every service write it into its log, for whoever looks for what one waits for; but who
    does not listen to signals yet would die of it.
    """
    for replica in world.all_replicas():
        life = replica.present
        if life is not None and time.monotonic() - life.born > BEGINS_WITHIN_S:
            life.kill(signal.SIGUSR1)
    await asyncio.sleep(WRITES_WITHIN_S)


def _ends_of_logs(world: World) -> list[str]:
    return [f"{name}: {line}" for name in NAMES for line in tail(world.log_of(name), 3)]
