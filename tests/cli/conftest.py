from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

from shared.local.process import Identity
from shared.local.state import State, write_state

ROOT = Path(__file__).parents[2]


class Steward(Protocol):
    """`steward("status", "--json")` runs the command to its end."""

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """STEWARD_HOME of the commands of a test."""
    return tmp_path / "home"


@pytest.fixture
def steward(home: Path) -> Steward:
    """Runs the real command in a process of its own, in the repository, with a home of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STEWARD_")}
    environ.pop("KAFKA_BOOTSTRAP_SERVERS", None)
    environ.pop("DATABASE_URL", None)
    if "STEWARD_CACHE" in os.environ:
        environ["STEWARD_CACHE"] = os.environ["STEWARD_CACHE"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            env={**environ, "STEWARD_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    return run


def note_running(folder: Path, pid: int) -> None:
    """Note in a folder what runs on it."""
    found = Identity.of(pid)
    assert found is not None
    folder.mkdir(parents=True, exist_ok=True)
    write_state(folder, State(found.pid, found.created, "m", "running"))
