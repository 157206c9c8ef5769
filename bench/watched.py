"""A `steward` command run once, with what it took of clock, processor and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import IO

import psutil

from bench.stage import PLAN, Stage
from bench.steward import ROOT

LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Watched:
    """Seconds on the clock, from its start to its end, seconds of its processor, and its peak."""

    took_s: float
    cpu_s: float
    megabytes: float


def watch(stage: Stage, output: IO[bytes] | int, *arguments: str) -> tuple[int, Watched]:
    """Run it on the servers of a stage; its exit code, and what it took."""
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": stage.bootstrap_servers,
        "DATABASE_URL": stage.database_url,
        "STEWARD_SECRETS": str(stage.secrets.path),
        "STEWARD_PLAN": str(PLAN),
    }
    command = (sys.executable, "-m", "services.cli", *arguments)
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own command
        command, env=environment, cwd=ROOT, stdout=output
    ) as process:
        watched, most = psutil.Process(process.pid), 0.0
        # Not what the system says of its peak at its end: that counts this process too, whose copy
        # the command was before it began.
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            most = max(most, watched.memory_info().rss / 1e6)
            time.sleep(LOOK_EVERY_S)
        took = time.perf_counter() - began
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, Watched(took, usage.ru_utime + usage.ru_stime, most)
