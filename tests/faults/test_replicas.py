"""A process that is started anew whenever it dies, and what is told of its ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from services.cli.processes import PROCESSES
from tests.faults import replicas
from tests.faults.life import Death
from tests.faults.replicas import Life, Replica, fork_server
from tests.support.waiting import eventually


def nothing_to_do(
    service: str, environ: Mapping[str, str], log: Path, told: Connection, death: Death | None
) -> None:
    """The life of a process that ends at once where it is told to, and else waits."""
    if death is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def kill(life: Life) -> None:
    life.kill(signal.SIGKILL)


def kill_unseen(life: Life) -> None:
    """As a server that has no memory left does, or whoever is no injury of ours."""
    os.kill(life.process.pid or 0, signal.SIGKILL)


def abort(life: Life) -> None:
    os.kill(life.process.pid or 0, signal.SIGABRT)


def nothing(_: Life) -> None:
    """It ends itself."""


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("death", "end", "told"),
    [
        (None, kill, []),
        (Death("claimed", 1), nothing, []),
        (None, kill_unseen, ["finance ended with -9 though nobody had killed it"]),
        (None, abort, ["finance ended with -6 though nobody had killed it"]),
    ],
)
async def test_of_a_process_that_ends_it_is_told_unless_somebody_wanted_it(
    death: Death | None,
    end: Callable[[Life], None],
    told: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replicas, "live", nothing_to_do)
    (spec,) = (spec for spec in PROCESSES if spec.name == "finance")
    heard: list[str] = []
    environ = {"STEWARD_HTTP_PORT": "1"}
    replica = Replica(fork_server(), spec, environ, tmp_path / "log", heard.append)
    deaths = iter([death])
    replica.next_death = lambda: next(deaths, None)
    replica.start()
    first = replica.present
    assert first is not None
    end(first)
    await eventually(lambda: replica.deaths)
    await replica.stop()
    assert heard == told
