"""From where in a lane of the outbox to read on. All of it is pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class _Read(NamedTuple):
    ended: float
    last: int


class Cursor:
    """`after`: up to this id everything was read, and nothing more can come.

    Whoever says something gives it an id and then commits; of two at once the one with the larger
    ids may be first. So what lies below an id that was read can still come, for a while: it is
    looked for until a read that began when all of that was decided has found nothing of it.
    `decided_s`: so many seconds after it gave ids a transaction is committed or rolled back.
    """

    def __init__(self, decided_s: float) -> None:
        self.after = 0
        self._decided_s = decided_s
        self._reads = deque[_Read]()

    def saw(self, began: float, ended: float, last: int | None, *, everything: bool) -> None:
        """A read between these moments (seconds of a clock that never goes back) gave ids up to
        `last`, None for no row at all. `everything`: and there was no more to be had.
        """
        reads = self._reads
        while reads and reads[0].ended + self._decided_s <= began:
            decided = reads[0].last
            if not everything and (last is None or last < decided):
                break
            self.after = max(self.after, decided)
            reads.popleft()
        if last is not None:
            reads.append(_Read(ended, last))
