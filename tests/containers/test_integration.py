"""What is tested against servers from packages holds against those of the public images too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_S = 900

AREAS = (
    "runtime",
    "messaging",
    "privacy",
    "registration",
    "audit",
    "consent",
    "finance",
    "retention",
)


@pytest.mark.containers
@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("area", AREAS)
def test_the_integration_tests_pass_on_containers(
    area: str, kafka_container: str, postgres_container: str
) -> None:
    """In a process of its own: fixtures find given servers through the environment."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"tests/{area}", "-m", "not containers and not system"],
        cwd=ROOT,
        env={
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": kafka_container,
            "DATABASE_URL": postgres_container,
            "PYTEST_ADDOPTS": "-q -p no:cacheprovider",
        },
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
