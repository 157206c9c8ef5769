"""How long `steward up` takes on a data folder that exists."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.ground import Ground
from bench.registry import Measured, benchmark
from bench.stage import PLAN
from bench.steward import ROOT

_DAY = ROOT / "examples" / "day.jsonl"


@benchmark("start", unit="s", aim=12, better="lower")
async def start(ground: Ground) -> Measured:
    """From the command to all services ready; the folder has the example day in it."""
    await ground.leave()
    runs = []
    async with _home() as environment:
        await _steward(environment, "up", "--detach")
        await _steward(environment, "send", str(_DAY))
        for number in range(ground.sizes.rounds):
            ground.tell(f"start ({number + 1} of {ground.sizes.rounds})")
            await _steward(environment, "down")
            began = time.perf_counter()
            await _steward(environment, "up", "--detach")
            runs.append(time.perf_counter() - began)
    return Measured(runs)


@asynccontextmanager
async def _home() -> AsyncIterator[Mapping[str, str]]:
    """The environment of a system of its own, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="steward-bench-") as folder:
        inherited = {name: value for name, value in os.environ.items() if name not in _SERVERS}
        environment = {
            **inherited,
            "STEWARD_HOME": str(_reachable(Path(folder)) / "home"),
            "STEWARD_PLAN": str(PLAN),
        }
        try:
            yield environment
        finally:
            await _steward(environment, "down", "--remove-everything", "--yes")


def _reachable(folder: Path) -> Path:
    """Postgres does not run as root, and looks below."""
    folder.chmod(0o711)
    return folder


_SERVERS = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "STEWARD_SECRETS")


async def _steward(environment: Mapping[str, str], *arguments: str) -> None:
    """Run the command to its end; RuntimeError with what it printed where it fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", *arguments),
        env=environment,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"steward {arguments[0]} failed:\n{output.decode()}")
