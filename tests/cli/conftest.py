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

GIVEN = {
    "DATABASE_URL": "postgresql://boss:of%40all@db.example:5433/steward?sslmode=require",
    "KAFKA_BOOTSTRAP_SERVERS": "one.example:9092, two.example:9092",
}
GIVEN_STAY = [
    "the database at db.example:5433/steward",
    "the topics of Kafka at one.example:9092, two.example:9092, those of upstream in clear",
]
"""Servers that a system is given, and how they are named where they stay."""


class Steward(Protocol):
    """`steward("status", "--json")` runs the command to its end."""

    def __call__(
        self, *arguments: str, within_s: float = 100
    ) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """STEWARD_HOME of the commands of a test."""
    return tmp_path / "home"


@pytest.fixture
def ours(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with nothing but secrets. No server is given."""
    for variable in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(variable, raising=False)
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "inbox-key").touch()
    return home


@pytest.fixture
def steward(home: Path) -> Steward:
    """Runs the real command in a process of its own, in the repository, with a home of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STEWARD_")}
    environ.pop("KAFKA_BOOTSTRAP_SERVERS", None)
    environ.pop("DATABASE_URL", None)
    if "STEWARD_CACHE" in os.environ:
        environ["STEWARD_CACHE"] = os.environ["STEWARD_CACHE"]

    def run(*arguments: str, within_s: float = 100) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.cli", *arguments],
            env={**environ, "STEWARD_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=within_s,
        )

    return run


def note_running(folder: Path, pid: int) -> None:
    """Note in a folder what runs on it."""
    found = Identity.of(pid)
    assert found is not None
    folder.mkdir(parents=True, exist_ok=True)
    write_state(folder, State(found.pid, found.created, "m", "running"))
