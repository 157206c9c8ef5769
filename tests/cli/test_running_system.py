from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from services.cli import system
from services.cli.outside import outside_of
from services.cli.system import Options, Ports, running_system
from shared.contract.topics import TOPICS
from shared.local.errors import LocalError, NotReadyError
from shared.local.kafka import LocalKafka
from shared.local.process import Process
from shared.local.state import state_file
from shared.privacy.plan import PlanError
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import SettingsError
from tests.conftest import ROOT
from tests.support.plans import without, written


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_GIVEN_SERVER_WITHIN_S", 0.1)


def given(home: Path, secrets: SecretsFolder, kafka: str, database: str) -> Options:
    """Servers that exist, and no service."""
    return Options(
        home=home,
        plan=ROOT / "plan.toml",
        secrets=secrets.path,
        services=(),
        environ={"KAFKA_BOOTSTRAP_SERVERS": kafka, "DATABASE_URL": database},
    )


async def test_given_servers_are_migrated_and_none_is_started(
    tmp_path: Path, secrets_folder: SecretsFolder, kafka: str, empty_database: str
) -> None:
    options = given(tmp_path, secrets_folder, kafka, empty_database)
    async with running_system(options) as running:
        assert running.supervisor.state.processes == ()
        assert set(running.supervisor.state.given) == {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"}
        assert running.cluster.bootstrap_servers == kafka
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        topics = await admin.list_topics()
        await admin.close()
    assert {topic.name for topic in TOPICS} <= set(topics)
    assert not (tmp_path / "kafka").exists()


@pytest.mark.parametrize(
    ("servers", "variable", "value", "wanted"),
    [
        ("", "KAFKA_SECURITY_PROTOCOL", "SSL", "set KAFKA_BOOTSTRAP_SERVERS as well"),
        ("", "KAFKA_SSL_CA_LOCATION", "ca.pem", "KAFKA_SSL_CA_LOCATION is for a Kafka that exists"),
        ("127.0.0.1:1", "KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "needs KAFKA_SASL_USERNAME"),
    ],
)
async def test_how_to_connect_and_where_go_together(
    tmp_path: Path,
    secrets_folder: SecretsFolder,
    empty_database: str,
    servers: str,
    variable: str,
    value: str,
    wanted: str,
) -> None:
    options = given(tmp_path, secrets_folder, servers, empty_database)
    environ = {**options.environ, variable: value}
    with pytest.raises(SettingsError, match=wanted):
        async with running_system(replace(options, environ=environ)):
            raise AssertionError("nothing starts")


async def test_nothing_starts_by_a_plan_that_contradicts_itself(
    tmp_path: Path, secrets_folder: SecretsFolder, kafka: str, empty_database: str
) -> None:
    options = given(tmp_path, secrets_folder, kafka, empty_database)
    plan = written(tmp_path, without("[retention.diet]"))
    with pytest.raises(PlanError, match="diet"):
        async with running_system(replace(options, plan=plan, services=("registration",))):
            raise AssertionError("it started")
    assert not (tmp_path / "logs" / "registration.log").exists()


async def test_what_services_are_told_of_the_database_has_no_password(
    tmp_path: Path, secrets_folder: SecretsFolder, kafka: str, empty_database: str
) -> None:
    options = given(tmp_path, secrets_folder, kafka, empty_database)
    async with running_system(options) as running:
        assert "@" in running.database_url
        assert "@" not in running.environment["DATABASE_URL"]


@pytest.mark.usefixtures("impatient")
async def test_a_given_kafka_that_does_not_answer_is_named_with_its_variable(
    tmp_path: Path, secrets_folder: SecretsFolder
) -> None:
    nowhere = given(tmp_path, secrets_folder, "127.0.0.1:1", "postgresql://127.0.0.1:1/d")
    with pytest.raises(NotReadyError, match=r"nothing listens on 127\.0\.0\.1:1.*KAFKA_BOOTSTRAP"):
        async with running_system(nowhere):
            pass


@pytest.mark.usefixtures("impatient")
async def test_a_given_database_that_does_not_answer_is_named_with_its_variable(
    tmp_path: Path, secrets_folder: SecretsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing_is_missing(_: object) -> None:
        """A real one has not so little time."""

    monkeypatch.setattr("shared.local.kafka.missing_from_kafka", nothing_is_missing)
    nowhere = given(tmp_path, secrets_folder, "127.0.0.1:1", "postgresql://127.0.0.1:1/d")
    with pytest.raises(NotReadyError, match=r"PostgreSQL cannot be used.*DATABASE_URL"):
        async with running_system(nowhere):
            pass


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("password", "databases"), [("of%40all", ["the database at 127.0.0.1:1/d"]), ("of/all", [])]
)
async def test_a_start_that_fails_leaves_which_servers_it_was_given_and_no_password(
    tmp_path: Path, secrets_folder: SecretsFolder, password: str, databases: list[str]
) -> None:
    """Those of an address that is not understood cannot have been used."""
    database = f"postgresql://boss:{password}@127.0.0.1:1/d"
    with pytest.raises(NotReadyError):
        async with running_system(given(tmp_path, secrets_folder, "127.0.0.1:1", database)):
            pass
    topics = "the topics of Kafka at 127.0.0.1:1, those of upstream in clear"
    environ = {"STEWARD_HOME": str(tmp_path)}
    assert outside_of(tmp_path, environ) == [*databases, topics]
    assert password not in state_file(tmp_path / "run").read_text("utf-8")


@pytest.mark.parametrize("log", ["kafka.log", "kafka-1.log"])
async def test_where_the_disk_of_a_kafka_that_ran_is_away_none_is_made(
    tmp_path: Path, secrets_folder: SecretsFolder, log: str
) -> None:
    """Upstream would send to it, and nobody would find that once the disk is mounted."""
    options = given(tmp_path, secrets_folder, "", "postgresql://127.0.0.1:1/d")
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    (tmp_path / "kafka").symlink_to(mount_point)
    options.log_folder.mkdir()
    (options.log_folder / log).touch()
    with pytest.raises(LocalError, match=r"kafka links to .*/disk, where no Kafka is: mount"):
        async with running_system(replace(options, ports=Ports(any_free=True))):
            pass
    assert not any(mount_point.iterdir())


class Sleeping(LocalKafka):
    """Three brokers of which as many do their work as `awake` says."""

    awake = 0

    async def prepare(self) -> tuple[Process, ...]:
        self._nodes = self._choose_nodes()
        return tuple(
            Process(
                name=f"kafka-{number}",
                argv=(sys.executable, "-c", "import signal; signal.pause()"),
                env=dict(os.environ),
                ready=_ready if number <= self.awake else _asleep,
                required=False,
                start_within_s=0.1,
            )
            for number in (1, 2, 3)
        )


async def _ready() -> str | None:
    return None


async def _asleep() -> str | None:
    return "it sleeps"


def three_sleeping(home: Path, secrets: SecretsFolder) -> Options:
    return replace(
        given(home, secrets, "", "postgresql://127.0.0.1:1/d"),
        brokers=3,
        ports=Ports(any_free=True),
        environ={"DATABASE_URL": "postgresql://127.0.0.1:1/d"},
    )


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("awake", "why"), [(1, "kafka-2: it sleeps; kafka-3: it sleeps"), (2, "PostgreSQL cannot")]
)
async def test_one_broker_of_three_may_be_away_at_the_start_and_two_may_not(
    tmp_path: Path,
    secrets_folder: SecretsFolder,
    monkeypatch: pytest.MonkeyPatch,
    awake: int,
    why: str,
) -> None:
    """With two of them it goes on to the database, which is nowhere."""
    monkeypatch.setattr(Sleeping, "awake", awake)
    monkeypatch.setattr("shared.local.kafka.LocalKafka", Sleeping)
    with pytest.raises(NotReadyError, match=why):
        async with running_system(three_sleeping(tmp_path, secrets_folder)):
            pass
