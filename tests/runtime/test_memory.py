"""What a process keeps of the memory that it freed, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Large blocks with a small one behind each, as answers of Kafka with what is made of them.
WORK = """
import os
from pathlib import Path
from shared.runtime.memory import give_back_large_blocks

def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20

give_back_large_blocks()
del [bytearray(2**20)][0]
before = resident_mb()
large, small = [], []
for _ in range(100):
    large.append(bytearray(b"x") * 2**20)
    small.append(bytearray(1_000))
assert resident_mb() - before >= 100
large.clear()
print(resident_mb() - before)
"""


def test_large_blocks_go_back_to_the_system() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORK],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) < 10
