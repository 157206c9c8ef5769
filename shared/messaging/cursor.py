"""From where in a lane of the outbox to read on. All of it is pure."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple


class _Read(NamedTuple):
    ended: float
    last: int


class Cursor:
    """`after`: read on behind this id.

    Whoever says something gives it an id and then commits; of two at once the one with the larger
    ids may be first. So what lies below an id that was read can still come, for a while: it is
    looked for until a read that began when all of that was decided has found nothing of it.
    `decided_s`: so many seconds after it gave ids a transaction is committed or rolled back, but
    for a commit that waits for a standby or a disk, which nothing ends. So every `look_back_s`
    seconds one look goes over everything: what comes so late is late, and does not stay.
    """

    def __init__(self, decided_s: float, look_back_s: float) -> None:
        self.after = 0
        self._decided_s = decided_s
        self._look_back_s = look_back_s
        self._passed = 0
        self._reads = deque[_Read]()
        self._looked_back = -math.inf

    def saw(self, began: float, ended: float, last: int | None, *, everything: bool) -> None:
        """A read between these moments (seconds of a clock that never goes back) gave ids up to
        `last`, None for no row at all. `everything`: and there was no more to be had.
        """
        reads = self._reads
        while reads and reads[0].ended + self._decided_s <= began:
            decided = reads[0].last
            if not everything and (last is None or last < decided):
                break
            self._passed = max(self._passed, decided)
            reads.popleft()
        if last is not None:
            reads.append(_Read(ended, last))
        if self.after == 0 and (everything or (last is not None and last >= self._passed)):
            self._looked_back = began
        self.after = self._passed if began - self._looked_back < self._look_back_s else 0
