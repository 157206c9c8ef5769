"""The memory of a process that works in batches: when it is looked through, and given back."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""Parameters of mallopt(3)."""

LARGE_BYTES: Final = 65_536

_C_LIBRARY: Final = ctypes.CDLL(None)


def collect_rarely() -> None:
    """Let the collector of cycles look less often.

    A batch, or a page of rows, makes tens of thousands of objects that die together, none of them
    in a cycle. With the default thresholds, looking at them again and again takes a sixth of the
    time of a service, and a fifth of that of a command that goes through the whole log.
    """
    gc.set_threshold(50_000, 20, 100)


def spare_the_collector() -> None:
    """The same, and never look at what is imported: called once, when everything is."""
    gc.collect()
    gc.freeze()
    collect_rarely()


def give_back_large_blocks() -> None:
    """Let the system have each large block of memory back as soon as it is free.

    The first one that is freed makes glibc keep all later ones of its size in its heap, where small
    ones between them hold what is free; naming thresholds ends that. Other C libraries are left
    as they are.
    """
    mallopt = getattr(_C_LIBRARY, "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_TRIM_THRESHOLD, 2 * LARGE_BYTES)


def give_back_free_pages() -> None:
    """Let the system have every page that nothing is on: milliseconds, at most.

    glibc returns by itself what is free at the end of its heap. One small block there that stays
    keeps all that is free before it, for as long as it stays.
    """
    trim = getattr(_C_LIBRARY, "malloc_trim", None)
    if trim is not None:
        trim(0)
