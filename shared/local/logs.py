"""Log files of processes. A process writes to its file directly, so that what it says survives the
supervisor.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 10 * 1024 * 1024


def open_log(path: Path) -> BinaryIO:
    """For appending; the writer keeps its place when the file is emptied by `rotate`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab", buffering=0)


def rotate(path: Path, *, max_bytes: int = MAX_BYTES) -> bool:
    """Keep at most two files of `max_bytes`: copy, then empty what the process goes on writing to.

    A line written between the two steps is lost; the process needs to know nothing of rotation in
    exchange.
    """
    if not path.exists() or path.stat().st_size <= max_bytes:
        return False
    shutil.copyfile(path, path.with_suffix(".log.1"))
    os.truncate(path, 0)
    return True


def tail(
    path: Path, lines: int, *, max_bytes: int = 256 * 1024, end: int | None = None
) -> list[str]:
    """The last lines of a log, from at most its last `max_bytes`; whole ones, but for one that is
    longer than that. `end`: of what there was when it had so many bytes.
    """
    if not path.exists() or not lines:
        return []
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END) if end is None else end
        start = max(0, size - max_bytes)
        file.seek(max(0, start - 1))
        cut = start > 0 and file.read(1) != b"\n"
        found = file.read(size - start).decode("utf-8", "replace").splitlines()
    return found[int(cut and len(found) > 1) :][-lines:]
