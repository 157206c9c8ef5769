"""What a process keeps of the memory that it freed, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BEGIN = """
import os
from pathlib import Path

def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20
"""

# Large blocks with a small one behind each, as answers of Kafka with what is made of them.
WORK = """
from shared.runtime.memory import give_back_large_blocks

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


# Small blocks, and one behind all of them that stays.
LEFTOVER = """
from shared.runtime.memory import give_back_free_pages

before = resident_mb()
small = [bytearray(1_000) for _ in range(100_000)]
last = bytearray(1_000)
assert resident_mb() - before >= 90
small.clear()
kept = resident_mb() - before
give_back_free_pages()
print(kept, resident_mb() - before)
"""


def test_large_blocks_go_back_to_the_system() -> None:
    assert int(run(WORK)) < 10


def test_pages_that_nothing_is_on_go_back_to_the_system() -> None:
    kept, left = map(int, run(LEFTOVER).split())
    assert kept > 80, "else there is nothing to give back"
    assert left < 10


def run(work: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + work],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout
