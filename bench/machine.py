"""What the figures were measured on."""

from __future__ import annotations

import os
import platform

import psutil

from bench.ground import Ground
from bench.registry import Measured, benchmark


@benchmark("cores", unit="cores")
async def cores(ground: Ground) -> Measured:
    """Processor cores that this process may use: Kafka, Postgres and all services share them."""
    return Measured(
        [len(os.sched_getaffinity(0))],
        {
            "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        },
    )
