"""PostgreSQL is set in one way, whoever starts it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml

from shared.local.postgres import PACE

ROOT: Final = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "value"), PACE.items())
def test_what_sets_the_pace_is_the_same_in_containers_and_told_to_operators(
    name: str, value: str
) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    assert f"-c {name}={value}" in compose["services"]["postgres"]["command"]
    assert f"`{name}={value}`" in (ROOT / "docs" / "operations.md").read_text("utf-8")
