"""Who gives way does so to everybody on the machine, also where Linux groups by session."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable

import pytest

from services.cli.niceness import AGAIN_S, SESSION, TRIES, let_session_give_way

GIVE_WAY = f"""
import os
from pathlib import Path
from services.cli.niceness import give_way
before = os.nice(0)
give_way(7)
group = Path({str(SESSION)!r})
print(os.nice(0) - before, group.read_text().split()[-1] if group.exists() else "ungrouped")
"""


async def niceness_of_a_process(*, own_session: bool) -> list[str]:
    """Of the process and of its group of sessions, once it gives way by seven."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        GIVE_WAY,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=own_session,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().split()


async def test_a_process_with_a_session_of_its_own_gives_way_to_other_sessions() -> None:
    nice, group = await niceness_of_a_process(own_session=True)
    assert nice == "7"
    assert group == ("7" if SESSION.exists() else "ungrouped")


async def test_a_process_in_somebody_elses_session_leaves_that_alone() -> None:
    before = SESSION.read_text("ascii").split()[-1] if SESSION.exists() else "ungrouped"
    assert await niceness_of_a_process(own_session=False) == ["7", before]


def answers(*errors: OSError | None) -> tuple[list[str], Callable[[str], None]]:
    """What the kernel says, one after the other; and what it was told."""
    told: list[str] = []

    def write(text: str) -> None:
        told.append(text)
        error = errors[min(len(told), len(errors)) - 1]
        if error is not None:
            raise error

    return told, write


BUSY = BlockingIOError(errno.EAGAIN, "busy")


def test_it_is_said_again_while_others_say_the_same() -> None:
    told, write = answers(BUSY, BUSY, None)
    paused: list[float] = []
    let_session_give_way(10, write, paused.append)
    assert told == ["10"] * 3
    assert paused == [AGAIN_S] * 2


@pytest.mark.parametrize(
    ("error", "times"),
    [(FileNotFoundError(), 1), (PermissionError(), 1), (BUSY, TRIES)],
    ids=["no groups", "not allowed", "busy for ever"],
)
def test_a_service_starts_also_where_it_cannot_be_said(error: OSError, times: int) -> None:
    told, write = answers(error)
    let_session_give_way(10, write, lambda _: None)
    assert len(told) == times
