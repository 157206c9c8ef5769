"""How long a person waits for a command that needs no server: import what it needs, no more."""

from __future__ import annotations

import asyncio
import resource
import sys
import time

from bench.ground import Ground
from bench.registry import Measured, benchmark
from bench.stage import PLAN
from bench.steward import ROOT

_TIMES = 10
"""Runs that count. One before them has everything in the file system's cache."""


@benchmark("plan-check", unit="ms", aim=600, better="lower")
async def plan_check(ground: Ground) -> Measured:
    """`steward plan check` of the example plan, from the start of the process to its end."""
    await ground.leave()
    return await _timed("plan", "check", str(PLAN))


@benchmark("help", unit="ms", aim=300, better="lower")
async def help_(ground: Ground) -> Measured:
    """`steward --help`."""
    await ground.leave()
    return await _timed("--help")


async def _timed(*arguments: str) -> Measured:
    """In milliseconds; RuntimeError where the command fails.

    `cpu_ms` is what a run costs, however busy the machine is with other things.
    """
    await _run(*arguments)
    before = _cpu_s()
    runs = [1_000 * await _run(*arguments) for _ in range(_TIMES)]
    return Measured(runs, {"cpu_ms": round(1_000 * (_cpu_s() - before) / _TIMES, 1)})


def _cpu_s() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _run(*arguments: str) -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"steward {' '.join(arguments)} failed:\n{said.decode()}")
    return time.perf_counter() - began
