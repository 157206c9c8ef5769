"""How far a session of processes gives way to others, where Linux groups by session, sched(7)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

UNGROUPED: Final = "ungrouped"


def niceness_of_session(group: Path) -> str:
    """What stands in an `autogroup` file of /proc. A kernel without such groups has no such file;
    it is empty for whoever never left the session that the machine's first process began in.
    """
    if not group.exists():
        return UNGROUPED
    return (group.read_text("ascii").split() or [UNGROUPED])[-1]
