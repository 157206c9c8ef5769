"""Where the tasks of this process stand: for whoever looks for why one of them does not go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import FrameType


def where_tasks_stand() -> dict[str, list[str]]:
    """By the name of each task that is not done: the calls that it waits in, outermost first.

    Each as `file:line function`: places in code only, never a value.
    """
    return {
        task.get_name(): [_place(frame) for frame in _frames(task.get_coro())]
        for task in asyncio.all_tasks()
    }


def _frames(waiting: object) -> Iterator[FrameType]:
    """The frame of a coroutine, or of what is like one, and of what it waits for in turn.

    A suspended task itself tells the outermost frame alone.
    """
    while waiting is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(waiting, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                inner = "gi_yieldfrom" if kind == "gi" else f"{kind}_await"
                waiting = getattr(waiting, inner, None)
                break
        else:
            return


def _place(frame: FrameType) -> str:
    code = frame.f_code
    folders = code.co_filename.split("/")
    return f"{'/'.join(folders[-2:])}:{frame.f_lineno} {code.co_name}"
