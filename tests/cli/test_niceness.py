"""Who gives way does so to everybody on the machine, also where Linux groups by session."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli.niceness import AGAIN_S, SESSION, TRIES, let_session_give_way
from tests.support.sessions import UNGROUPED, niceness_of_session

GIVE_WAY = """
import os
from services.cli.niceness import SESSION, give_way
from tests.support.sessions import niceness_of_session
before = os.nice(0)
give_way(7)
print(os.nice(0) - before, niceness_of_session(SESSION))
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
    assert group == ("7" if SESSION.exists() else UNGROUPED)


async def test_a_process_in_somebody_elses_session_leaves_that_alone() -> None:
    before = niceness_of_session(SESSION)
    assert await niceness_of_a_process(own_session=False) == ["7", before]


@pytest.mark.parametrize(
    ("said", "niceness"),
    [("/autogroup-7 nice 10\n", "10"), ("", UNGROUPED), (None, UNGROUPED)],
    ids=["grouped", "in the first session of the machine", "a kernel without groups"],
)
def test_what_a_kernel_says_of_a_session_is_understood(
    said: str | None, niceness: str, tmp_path: Path
) -> None:
    group = tmp_path / "autogroup"
    if said is not None:
        group.write_text(said, "ascii")
    assert niceness_of_session(group) == niceness


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
