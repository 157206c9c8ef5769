from __future__ import annotations

import subprocess
import sys

import psutil

from bench.processes import Memory, cpu_seconds

_BURN = "import time\nwhile time.process_time() < 0.2: pass"
_PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {_BURN!r}], check=True)
print("done", flush=True)
sys.stdin.read()
"""


def test_time_of_a_child_that_has_ended_counts() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        process = psutil.Process(parent.pid)
        own = process.cpu_times()
        assert cpu_seconds(process) >= own.user + own.system + 0.15
        parent.communicate()


def test_growth_is_looked_at_over_the_second_half() -> None:
    memory = Memory([(1_000, 50.0), (1_400, 90.0), (1_600, 91.0), (2_000, 91.5)])
    assert memory.most == 91.5
    assert memory.second_half() == [(1_600, 91.0), (2_000, 91.5)]
