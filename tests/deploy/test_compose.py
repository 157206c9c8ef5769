"""The containers: which settings reach them, what commands find in them, as whom they run, in which
order they start, what bounds their logs.
"""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from services.cli.processes import PROCESSES
from services.cli.root import app
from services.cli.schemas import SERVICES
from shared.runtime.settings import SettingsBase, TopicSettings, variable_of

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
CONTAINERS: Final = COMPOSE["services"]
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text("utf-8")
PAGE: Final = (ROOT / "docs" / "operations.md").read_text("utf-8")

COMMANDS: Final = ("administrator", "console")
"""Containers of commands, which `up` does not start."""
WITH_SETTINGS: Final = (*(one.name for one in PROCESSES), "migrate", *COMMANDS)

OURS: Final = "steward"
"""The image of all that is ours."""

ENDED_WELL: Final = {"condition": "service_completed_successfully"}
SERVERS_HEALTHY: Final = {
    server: {"condition": "service_healthy"} for server in ("kafka", "postgres")
}

FIXED: Final = {
    "the servers are those of the same file, on its network": {
        "DATABASE_URL",
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_SASL_MECHANISM",
        "KAFKA_SASL_PASSWORD",
        "KAFKA_SASL_USERNAME",
        "KAFKA_SECURITY_PROTOCOL",
        "KAFKA_SSL_CA_LOCATION",
        "KAFKA_SSL_CERTIFICATE_LOCATION",
        "KAFKA_SSL_KEY_LOCATION",
        "KAFKA_SSL_KEY_PASSWORD",
    },
    "there is one broker": {"STEWARD_REPLICATION_FACTOR"},
    "the image and its volumes have these places": {
        "STEWARD_AUDIT_FOLDER",
        "STEWARD_OUTGOING_FOLDER",
        "STEWARD_PLAN",
        "STEWARD_SECRETS",
    },
    "the port is published under another number": {
        "STEWARD_HTTP_HOST",
        "STEWARD_HTTP_PORT",
        "STEWARD_HTTP_PORT_FILE",
    },
    "it is what makes a container this process": {"STEWARD_HEARS"},
}
"""What whoever runs the containers cannot choose, by why."""


def kinds() -> list[type[SettingsBase]]:
    """Every settings class that a process or command loads."""
    modules = (importlib.import_module(f"services.{name}.settings") for name in SERVICES)
    return [TopicSettings, *(module.Settings for module in modules)]


def known() -> set[str]:
    """Every setting that the code knows."""
    return {variable_of(kind, field) for kind in kinds() for field in kind.model_fields}


def set_by_the_image() -> set[str]:
    return set(re.findall(r"^\s+(STEWARD_\w+)=", DOCKERFILE, re.MULTILINE))


def volumes(container: str) -> dict[str, bool]:
    """By volume: whether it can be written. Folders and files of the machine are left out."""
    mounts = [mount.split(":") for mount in CONTAINERS[container].get("volumes", [])]
    return {mount[0]: mount[-1] != "ro" for mount in mounts if mount[0] in COMPOSE["volumes"]}


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_every_setting_reaches_a_container_or_is_fixed_there_for_a_reason(name: str) -> None:
    environment = CONTAINERS[name]["environment"]
    fixed = set().union(*FIXED.values())
    assert known() - fixed - environment.keys() == set()
    for variable in (known() - fixed) | {each for each in environment if each.startswith("OTEL_")}:
        given = environment[variable]
        assert given is None or given.startswith(f"${{{variable}:-"), variable


def test_what_is_fixed_in_containers_are_settings_and_nobody_is_offered_them() -> None:
    fixed = set().union(*FIXED.values())
    assert fixed - known() == set()
    assert {name for name, value in COMPOSE["x-settings"].items() if name in fixed} == set()


def test_what_the_image_sets_is_never_passed_without_a_value() -> None:
    """docker-compose 1.29 would unset it where whoever calls has not set it."""
    assert set_by_the_image() >= {"STEWARD_HOME", "STEWARD_LOG_FORMAT"}
    for name in WITH_SETTINGS:
        environment = CONTAINERS[name]["environment"]
        assert {one for one in set_by_the_image() & environment.keys() if not environment[one]} == (
            set()
        )


def test_the_administrator_of_containers_has_all_that_a_command_may_need() -> None:
    of_services = {volume for one in PROCESSES for volume in volumes(one.name)}
    assert volumes("administrator") == {
        **dict.fromkeys(of_services, True),
        "administrator": False,
    }
    entrypoint = " ".join(CONTAINERS["administrator"]["entrypoint"])
    assert "/var/lib/steward/administrator/password" in entrypoint
    assert "postgresql://postgres:$$password@postgres:5432/steward" in entrypoint


@pytest.mark.parametrize("name", ["migrate", "administrator"])
def test_what_reads_the_file_of_the_plan_reads_the_one_beside_the_compose_file(name: str) -> None:
    """The first one that `migrate` finds comes into force: an image may be older than that."""
    (place,) = re.findall(r"^\s+STEWARD_PLAN=(\S+)", DOCKERFILE, re.MULTILINE)
    assert f"./plan.toml:{place}:ro" in CONTAINERS[name]["volumes"]


def test_the_image_runs_as_nobody_special_and_has_what_the_lock_of_running_pins() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE.split("\nFROM ")[-1], re.MULTILINE) == ["steward"]
    assert "useradd --system --uid 10001 " in DOCKERFILE
    steps = [" ".join(step.split()) for step in DOCKERFILE.replace("\\\n", " ").splitlines()]
    packages, ourselves = (step for step in steps if " pip install " in step)
    assert packages.endswith(" --require-hashes --requirement requirements.lock")
    assert ourselves.endswith(" --no-deps --no-build-isolation .")


@pytest.mark.parametrize("name", [name for name, one in CONTAINERS.items() if one["image"] == OURS])
def test_no_container_of_ours_can_do_more_than_it_needs(name: str) -> None:
    container = CONTAINERS[name]
    assert "user" not in container
    assert not container.get("privileged")
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "cap_add" not in container
    assert container["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", [one.name for one in PROCESSES])
def test_a_service_starts_when_all_that_it_needs_is_there_and_says_whether_it_is_ready(
    name: str,
) -> None:
    assert CONTAINERS[name]["depends_on"] == {**SERVERS_HEALTHY, "migrate": ENDED_WELL}
    assert CONTAINERS[name]["healthcheck"]["test"][-2:] == ["shared.runtime.probe", "readyz"]


def test_servers_are_made_before_they_are_migrated_and_say_whether_they_are_ready() -> None:
    assert CONTAINERS["postgres"]["depends_on"] == {"init": ENDED_WELL}
    assert CONTAINERS["migrate"]["depends_on"] == SERVERS_HEALTHY
    assert "/dev/tcp/127.0.0.1/9092" in CONTAINERS["kafka"]["healthcheck"]["test"][-1]
    assert CONTAINERS["postgres"]["healthcheck"]["test"][1] == "pg_isready"


def test_containers_of_commands_run_only_when_they_are_called() -> None:
    for name in COMMANDS:
        assert CONTAINERS[name]["profiles"] == ["administrator"]
        assert "restart" not in CONTAINERS[name]
        assert "depends_on" not in CONTAINERS[name]


def test_nobody_else_has_the_administrators_password() -> None:
    has = {name for name in CONTAINERS if "administrator" in volumes(name)}
    assert has == {"init", "postgres", "migrate", "administrator"}


def test_only_commands_of_the_administrator_are_told_who_calls() -> None:
    """Elsewhere entries of the log name the user of the image, and whoever calls cannot be told."""
    callers = {"STEWARD_ACTOR": "${STEWARD_ACTOR:-}", "LOGNAME": "${LOGNAME:-}"}
    told = {
        name: {variable: environment[variable] for variable in callers}
        for name, one in CONTAINERS.items()
        if "STEWARD_ACTOR" in (environment := one.get("environment", {}))
    }
    assert told == dict.fromkeys(("migrate", "administrator"), callers)


@pytest.mark.parametrize(
    ("said", "account", "named"),
    [("maija", "deploy", "maija"), ("", "deploy", "deploy"), ("", "", "")],
)
def test_who_says_who_they_are_is_named_so_and_else_by_the_account_that_calls(
    tmp_path: Path, said: str, account: str, named: str
) -> None:
    (tmp_path / "password").write_text("secret\n", "utf-8")
    command = tmp_path / "steward"
    command.write_text('#!/bin/sh\nprintf %s "$STEWARD_ACTOR"\n', "utf-8")
    command.chmod(0o755)
    shell, options, script, name = CONTAINERS["administrator"]["entrypoint"]
    script = script.replace("/var/lib/steward/administrator", str(tmp_path)).replace("$$", "$")
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "STEWARD_ACTOR": said,
        "LOGNAME": account,
    }
    done = subprocess.run(
        [shell, options, script, name], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout == named


def test_secrets_and_log_are_copied_and_put_back_by_containers_that_have_them() -> None:
    """What is in clear, and Kafka's data, is in no copy; the database is copied by its server."""
    section = PAGE.split("## Backups\n")[1].split("\n## ")[0]
    tar = r"--entrypoint tar (\w+) -%s -C /var/lib/steward ([^<>]*)[<>] (\w+/\w+\.tar)"
    copied = re.findall(tar % "c", section)
    put_back = {archive: container for container, _, archive in re.findall(tar % "x", section)}
    assert put_back == {archive: container for container, _, archive in copied}
    writable = {container: volumes(container) for container, _, _ in copied}
    folders = {name: container for container, names, _ in copied for name in names.split()}
    assert folders.keys() == COMPOSE["volumes"].keys() - {"kafka", "outgoing", "postgres"}
    assert [name for name, container in folders.items() if not writable[container][name]] == []


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
