"""The containers: what commands find in them, what bounds their logs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml

from services.cli.processes import PROCESSES
from services.cli.root import app

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
CONTAINERS: Final = COMPOSE["services"]
PAGE: Final = (ROOT / "docs" / "operations.md").read_text("utf-8")

COMMANDS: Final = ("administrator", "console")
"""Containers of commands, which `up` does not start."""


def volumes(container: str) -> dict[str, bool]:
    """By volume: whether it can be written. Folders and files of the machine are left out."""
    mounts = [mount.split(":") for mount in CONTAINERS[container].get("volumes", [])]
    return {mount[0]: mount[-1] != "ro" for mount in mounts if mount[0] in COMPOSE["volumes"]}


def test_the_administrator_of_containers_has_all_that_a_command_may_need() -> None:
    of_services = {volume for one in PROCESSES for volume in volumes(one.name)}
    assert volumes("administrator") == {
        **dict.fromkeys(of_services, True),
        "administrator": False,
    }
    entrypoint = " ".join(CONTAINERS["administrator"]["entrypoint"])
    assert "/var/lib/steward/administrator/password" in entrypoint
    assert "postgresql://postgres:$$password@postgres:5432/steward" in entrypoint


def test_containers_of_commands_run_only_when_they_are_called() -> None:
    for name in COMMANDS:
        assert CONTAINERS[name]["profiles"] == ["administrator"]
        assert "restart" not in CONTAINERS[name]
        assert "depends_on" not in CONTAINERS[name]


def test_nobody_else_has_the_administrators_password() -> None:
    has = {name for name in CONTAINERS if "administrator" in volumes(name)}
    assert has == {"init", "postgres", "migrate", "administrator"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_log_of_a_container_is_bounded(name: str) -> None:
    assert CONTAINERS[name]["logging"] == {"driver": "local"}


def test_the_page_says_what_becomes_of_commands_that_are_of_one_machine() -> None:
    section = PAGE.split("## In containers\n")[1].split("\n## ")[0]
    assert "docker compose run --rm administrator" in section
    assert "docker compose run --rm console" in section
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        assert f"`steward {name}" in section, name
