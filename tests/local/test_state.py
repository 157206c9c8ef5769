"""What a supervisor leaves on disk, and how its processes are known by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared.local import process
from shared.local.process import MARKER_VARIABLE, Identity
from shared.local.state import Entry, State, read_state, state_file, write_state


@pytest.fixture
def child() -> Iterator[int]:
    """A process that carries the marker `ours`."""
    code = "import signal; print(flush=True); signal.pause()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, MARKER_VARIABLE: "ours"},
        stdout=subprocess.PIPE,
    ) as living:
        assert living.stdout is not None
        living.stdout.readline()
        yield living.pid
        living.kill()


def set_the_clock(monkeypatch: pytest.MonkeyPatch, by_s: float) -> None:
    """As Linux shows it: the clock of the machine is set, and the time of boot moves with it."""
    before = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: before + by_s)


@pytest.mark.parametrize("by_s", [-86_400, 3, 3600])
def test_what_runs_is_known_when_the_clock_was_set(
    child: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_s: float
) -> None:
    us, its = Identity.of(os.getpid()), Identity.of(child, "ours")
    assert us is not None
    assert its is not None
    entry = Entry("it", child, its.created, {}, "it.log", 15, 0, its.born)
    write_state(tmp_path, State(us.pid, us.created, "ours", processes=(entry,), born=us.born))
    set_the_clock(monkeypatch, by_s)
    state = read_state(tmp_path)
    assert state is not None
    assert state.running()
    assert state.identity(entry).alive()


def test_who_came_later_with_the_same_number_is_another(child: int) -> None:
    its = Identity.of(child, "ours")
    assert its is not None
    assert not Identity(child, its.created, "ours", "another boot 1.00").alive()
    assert not Identity(child, its.created, "theirs", its.born).alive()


@pytest.mark.parametrize("away", ["it was written by an earlier release", "there is no /proc"])
def test_where_only_the_time_of_day_is_known_that_tells(
    child: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    its = Identity.of(child, "ours")
    assert its is not None
    if away == "there is no /proc":
        monkeypatch.setattr(process, "_BOOT", tmp_path / "none")
        assert Identity.of(child).born is None  # type: ignore[union-attr]  # it lives
    else:
        its = Identity(child, its.created, "ours")
    assert its.alive()
    assert not Identity(child, its.created - 60, "ours", None).alive()


@pytest.mark.parametrize("left", [b"", b"\0" * 512])
def test_a_state_that_a_power_cut_has_emptied_is_none(tmp_path: Path, left: bytes) -> None:
    """Some file systems know the new name of a file before they have what is in it."""
    state_file(tmp_path).write_bytes(left)
    assert read_state(tmp_path) is None
    state = State(1, 1.5, "marker")
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_what_a_later_release_has_written_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    entry = Entry("kafka", 2, 2.5, {"kafka": 9092}, "kafka.log", 15, 0)
    state = State(1, 1.5, "marker", "running", (entry,))
    write_state(tmp_path, state)
    found = json.loads(state_file(tmp_path).read_bytes())
    found |= {"of_later": 1, "processes": [{**found["processes"][0], "of_later": 1}]}
    state_file(tmp_path).write_text(json.dumps(found), "utf-8")
    assert read_state(tmp_path) == state
