from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from asyncpg import InvalidPasswordError, UndefinedColumnError

from services.cli.environment import use_running_system
from services.cli.failures import sentence
from services.cli.root import app
from services.cli.status import print_targets, show
from shared.local.administrator import administrator_url
from shared.local.errors import LocalError
from shared.local.process import Identity
from shared.local.state import Entry, State, write_state
from shared.runtime.database import without_credentials
from shared.runtime.secrets import SecretsFolder
from tests.cli.conftest import ROOT, Steward
from tests.support.command_tree import tree

HEAVY = (
    "aiokafka",
    "asyncpg",
    "cryptography",
    "faststream",
    "jgo",
    "psutil",
    "pydantic",
    "uvicorn",
)


def test_help_imports_nothing_that_only_a_command_needs() -> None:
    code = (
        "import sys; sys.argv = ['steward', '--help']\n"
        "from services.cli import main\n"
        "try:\n    main()\n"
        f"finally: sys.stderr.write(' '.join(set({HEAVY}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "dead-letters" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["upp"], "Did you mean 'up'?"),
        (["up", "--kafka-port", "many"], "valid integer"),
        (["up", "--kafka-port", "70000"], "65535"),
        (["up", "--brokers", "0"], "greater than or equal to 1"),
        (["up", "--replicas", "nobody=2"], "one of registration"),
        (["up", "--replicas", "audit=none", "--detach"], "a number from 1 to 8"),
        (["logs"], "Missing argument 'service'"),
        (["logs", "nobody"], "choose one of registration"),
        (["run", "nobody"], "choose one of registration"),
        (["status", "--jason"], "--json"),
    ],
)
def test_wrong_arguments_exit_with_2_and_say_what_is_right(
    steward: Steward, arguments: list[str], advice: str
) -> None:
    done = steward(*arguments)
    assert done.returncode == 2
    assert advice in re.sub(r"[│\s]+", " ", done.stderr)
    assert done.stdout == ""


def test_every_command_of_our_own_shows_an_example() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert "Example" in (command.callback.__doc__ or ""), command.callback.__name__


def test_no_command_offers_to_change_the_settings_of_a_shell() -> None:
    offers = {
        " ".join(path)
        for path, command in tree().items()
        for parameter in command.params
        if any("completion" in option for option in parameter.opts)
    }
    assert offers == set()


def test_status_of_nothing_says_how_to_start_and_exits_with_1(steward: Steward) -> None:
    done = steward("status")
    assert (done.returncode, done.stdout) == (1, "nothing is running; `steward up` starts it\n")


def test_status_of_nothing_can_be_read_by_a_program(steward: Steward) -> None:
    done = steward("status", "--json")
    assert json.loads(done.stdout) == {"running": False, "services": [], "processes": []}


def test_status_where_servers_are_named_says_where_else_to_look(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container, where services run that no `steward up` started."""
    monkeypatch.setenv("STEWARD_HOME", str(home))
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/d")
    assert (show(as_json=False), print_targets()) == (1, 1)
    told = capsys.readouterr()
    for text in (told.out, told.err):
        assert "no system that `steward up` started runs here" in text
        assert "docker compose ps" in text


def test_status_names_what_a_killed_supervisor_has_left(steward: Steward, home: Path) -> None:
    running_here(home, supervised=False)
    done = steward("status")
    assert done.returncode == 1
    assert "nobody watches what it has left: finance." in done.stdout
    assert "nothing is running" not in done.stdout


def test_down_where_nothing_runs_is_no_failure(steward: Steward) -> None:
    done = steward("down")
    assert (done.returncode, done.stdout) == (0, "nothing is running\n")


def test_init_makes_secrets_that_nobody_else_can_read_and_never_makes_others(
    steward: Steward, home: Path
) -> None:
    assert steward("init").returncode == 0
    key = home / "secrets" / "key-encryption-key"
    first = key.read_text("utf-8")
    assert steward("init").returncode == 0
    assert key.read_text("utf-8") == first
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("option", ["--kafka-port", "--postgres-port"])
def test_up_names_a_port_that_was_asked_for_and_is_in_use(steward: Steward, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = steward("up", option, str(port))
    assert done.returncode == 1
    assert f"port {port} is in use by another process" in done.stderr
    assert option in done.stderr


def test_logs_of_a_process_that_never_ran_says_so(steward: Steward) -> None:
    done = steward("logs", "kafka")
    assert done.returncode == 2
    assert "kafka has no log yet" in done.stderr


def test_logs_of_kafka_where_there_are_three_brokers_names_them(
    steward: Steward, home: Path
) -> None:
    (home / "logs").mkdir(parents=True)
    for name in ("kafka-1", "kafka-2", "kafka-3", "consent-urgent"):
        (home / "logs" / f"{name}.log").touch()
    done = steward("logs", "kafka")
    assert done.returncode == 2
    said = re.sub(r"[│\s]+", " ", done.stderr)
    assert "there are several: choose one of kafka-1, kafka-2, kafka-3" in said
    assert "consent has no log yet" in re.sub(r"[│\s]+", " ", steward("logs", "consent").stderr)


def test_logs_prints_the_last_lines(steward: Steward, home: Path) -> None:
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "audit.log").write_text("one\ntwo\nthree\n", "utf-8")
    assert steward("logs", "audit", "--lines", "2").stdout == "two\nthree\n"
    assert steward("logs", "audit", "--lines", "0").stdout == ""


def test_logs_prints_as_many_lines_as_were_asked_for(steward: Steward, home: Path) -> None:
    (home / "logs").mkdir(parents=True)
    lines = [f"{number} {'x' * 1000}\n" for number in range(1000)]
    (home / "logs" / "audit.log").write_text("".join(lines), "utf-8")
    assert steward("logs", "audit", "-n", "900").stdout == "".join(lines[-900:])


def test_an_error_that_was_written_for_the_user_is_shown_as_it_is() -> None:
    assert sentence(LocalError("the port is in use")) == "the port is in use"


def test_any_other_error_is_shown_without_its_text() -> None:
    said = sentence(ValueError("canary@example.org"))
    assert "ValueError" in said
    assert "canary" not in said


NOWHERE = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "DATABASE_URL": "postgresql://h/d",
}


def test_a_password_that_is_refused_is_not_called_a_server_that_is_away() -> None:
    said = sentence(InvalidPasswordError("password of user canary"))
    assert "the database refuses the sign-in (InvalidPasswordError)" in said
    assert "cannot be reached" not in said
    assert "canary" not in said


def test_a_database_that_was_not_migrated_is_no_fault_of_ours() -> None:
    said = sentence(UndefinedColumnError("column canary does not exist"))
    assert "UndefinedColumnError" in said
    assert "`steward migrate`" in said
    assert "canary" not in said


@pytest.mark.parametrize("refused", [KafkaConnectionError, TopicAuthorizationFailedError])
def test_kafka_that_is_away_or_refuses_is_no_fault_of_ours(refused: type[Exception]) -> None:
    said = sentence(refused("canary"))
    assert f"Kafka cannot be used ({refused.__name__})" in said
    assert "KAFKA_BOOTSTRAP_SERVERS" in said
    assert "report it" not in said
    assert "canary" not in said


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "this machine: No space left on device"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/h/run"), "/h/run: Not a directory"),
    ],
)
def test_a_disk_or_a_folder_is_not_called_a_server_that_is_away(error: OSError, told: str) -> None:
    assert sentence(error) == told
    assert sentence(ExceptionGroup("of tasks", [error])) == told


def test_a_server_that_is_away_is_called_that() -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed")
    assert "cannot be reached (ConnectionRefusedError)" in sentence(refused)


def running_here(
    home: Path, addresses: Mapping[str, str] = NOWHERE, *, supervised: bool = True
) -> None:
    """As `steward up` leaves it: ours is the process that runs, or that a killed one has left."""
    us = Identity.of(os.getpid())
    assert us is not None
    (home / "run").mkdir(parents=True)
    left = Entry("finance", us.pid, us.created, {}, "", signal.SIGTERM, 0)
    since = us.created if supervised else us.created - 60
    processes = () if supervised else (left,)
    write_state(home / "run", State(us.pid, since, "m", "running", processes, addresses))


@pytest.mark.parametrize("supervised", [True, False])
def test_a_command_finds_the_system_that_runs(home: Path, *, supervised: bool) -> None:
    running_here(home, supervised=supervised)
    environ = {"STEWARD_HOME": str(home)}
    use_running_system(environ)
    assert environ["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:1"
    assert environ["KAFKA_SASL_MECHANISM"] == "PLAIN"
    assert environ["DATABASE_URL"] == "postgresql://h/d"
    assert environ["STEWARD_SECRETS"] == str(home / "secrets")


def test_the_administrator_of_the_system_that_runs_is_found(home: Path) -> None:
    folder = SecretsFolder(home / "secrets")
    folder.create()
    address, somebodys = "postgresql://h:5432/d?sslmode=disable", "postgresql://somebody@h/d"
    assert administrator_url(address, folder) == address
    folder.create_database_passwords(["administrator"])
    (folder.path / "database" / "administrator").write_text("p/w\n", "utf-8")
    administrators = "postgresql://postgres:p%2Fw@h:5432/d?sslmode=disable"
    assert administrator_url(address, folder) == administrators
    assert administrator_url(somebodys, folder) == somebodys


def test_a_service_in_the_foreground_finds_the_system_that_runs(
    steward: Steward, home: Path
) -> None:
    running_here(home)
    done = steward("run", "audit")
    assert done.returncode == 1
    assert f"{home / 'secrets'}" in done.stderr
    assert "is not set" not in done.stderr


async def test_migrate_finds_the_system_that_runs_and_its_administrator(
    steward: Steward, home: Path, database: str, secrets_folder: SecretsFolder, kafka: str
) -> None:
    shutil.copytree(secrets_folder.path, home / "secrets")
    SecretsFolder(home / "secrets").create_database_passwords(["administrator"])
    password = urlsplit(database).password or ""
    (home / "secrets" / "database" / "administrator").write_text(password, "utf-8")
    address = without_credentials(database)
    running_here(home, {"KAFKA_BOOTSTRAP_SERVERS": kafka, "DATABASE_URL": address})
    done = await asyncio.to_thread(steward, "migrate")
    assert "all is up to date" in done.stdout, done.stderr
    assert done.returncode == 0


def test_migrate_without_any_system_says_whose_address_it_wants(steward: Steward) -> None:
    done = steward("migrate")
    assert done.returncode == 1
    assert "DATABASE_URL is not set" in done.stderr
    assert "of the administrator's sign in with user and password" in done.stderr


def test_what_is_set_to_nothing_hides_no_system_that_runs(home: Path) -> None:
    """As a file of variables has it in which some are left blank: `steward up` starts all then."""
    running_here(home)
    blank = dict.fromkeys(["KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "STEWARD_SECRETS"], "")
    environ = {"STEWARD_HOME": str(home), **blank}
    use_running_system(environ)
    assert environ["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:1"
    assert environ["DATABASE_URL"] == "postgresql://h/d"
    assert environ["STEWARD_SECRETS"] == str(home / "secrets")


def test_a_command_stays_with_the_servers_it_was_given(home: Path) -> None:
    running_here(home)
    environ = {"STEWARD_HOME": str(home), "DATABASE_URL": "postgresql://mine/d"}
    use_running_system(environ)
    assert environ["DATABASE_URL"] == "postgresql://mine/d"
    assert "KAFKA_BOOTSTRAP_SERVERS" not in environ
