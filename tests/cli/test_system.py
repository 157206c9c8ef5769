"""The whole of Steward, started and stopped by its own command."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.cli.niceness import SESSION
from services.cli.schemas import SERVICES
from tests.cli.conftest import Steward
from tests.support.sessions import niceness_of_session

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


@pytest.fixture
def stopped_after(steward: Steward) -> Iterator[None]:
    """Whatever the test leaves is stopped and removed."""
    yield
    steward("down", "--remove-everything", "--yes")


def status(steward: Steward) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(steward("status", "--json").stdout)
    return found


def kill_everything(found: dict[str, Any]) -> list[int]:
    pids = [found["pid"], *(process["pid"] for process in found["processes"])]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return pids


def givers_of_way(found: dict[str, Any]) -> set[str]:
    """The processes that let this one go first, wherever Linux looks for that."""
    mine = psutil.Process().nice()
    givers = {
        process["name"]
        for process in found["processes"]
        if psutil.Process(process["pid"]).nice() > mine
    }
    if SESSION.exists():
        assert givers == {
            process["name"]
            for process in found["processes"]
            if niceness_of_session(Path(f"/proc/{process['pid']}/autogroup")) != "0"
        }
    return givers


def addresses(found: dict[str, Any]) -> set[tuple[str, ...]]:
    """Each process as `up` prints it: its name, its process and where it listens."""
    ports = [(one, next(iter(one["ports"].items()))) for one in found["processes"]]
    return {
        (one["name"], str(one["pid"]), f"{'http://' if kind == 'http' else ''}127.0.0.1:{port}")
        for one, (kind, port) in ports
    }


@pytest.mark.usefixtures("stopped_after")
def test_up_stays_shows_itself_survives_kill_9_and_goes_down(steward: Steward, home: Path) -> None:
    first = steward("up", "--detach", "--replicas", "audit=2")
    assert first.returncode == 0, first.stderr
    found = status(steward)
    assert {p["name"] for p in found["processes"]} >= {"kafka", "postgres", "registration", "audit"}
    assert [p["name"] for p in found["processes"] if not p["ready"]] == []
    assert "password" not in json.dumps(found)
    printed = (home / "logs" / "up.log").read_text("utf-8")
    assert addresses(found) <= {tuple(line.split()) for line in printed.splitlines()}
    folders = f"logs: {home / 'logs'} secrets: {home / 'secrets'}"
    assert folders in " ".join(printed.split())
    told = {service["name"]: service for service in found["services"]}
    assert {name: (one["replicas"], one["ready"]) for name, one in told.items()} == {
        name: (2, 2) if name in {"audit", "consent"} else (1, 1) for name in SERVICES
    }
    assert all(one["lag"] == one["dead_letters"] == 0 for one in told.values())
    assert givers_of_way(found) == {*SERVICES, "audit-2"}
    assert {p["name"] for p in found["processes"]} - givers_of_way(found) == {
        "kafka",
        "postgres",
        "consent-urgent",
    }

    second = steward("up")
    assert second.returncode == 1
    assert f"already running here (process {found['pid']})" in second.stderr

    cluster = (home / "kafka" / "data" / "meta.properties").read_text("utf-8")
    kill_everything(found)
    assert steward("status").returncode == 1
    assert steward("up", "--detach", "--replicas", "audit=2").returncode == 0
    again = status(steward)
    assert [p["ports"] for p in again["processes"]] == [p["ports"] for p in found["processes"]]
    assert (home / "kafka" / "data" / "meta.properties").read_text("utf-8") == cluster

    assert steward("down").returncode == 0
    assert not any(psutil.pid_exists(p["pid"]) for p in again["processes"])
