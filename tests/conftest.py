"""Real servers for tests, and what services need to use them.

One Kafka and one Postgres serve a whole session: from packages, or given ones where
KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL are in the environment; with `--containers`, containers. A
test gets a database of its own, cloned from a migrated template, and topics with names of their
own.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest
import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from tests.support.databases import clone_database, create_database, drop_database
from tests.support.local_stack import LocalStack

# A test says what is so, not how fast: Hypothesis' own deadline is that of a quiet machine.
hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")


ROOT = Path(__file__).parents[1]


class SettingsFactory(Protocol):
    """`service_settings("registration", batch_max_records=10)`."""

    def __call__(self, service: str, **over: object) -> ServiceSettings: ...


class TopicFactory(Protocol):
    """`await topic_factory("inbound", partitions=4)` gives the name of a new topic."""

    def __call__(
        self, hint: str = "topic", *, partitions: int = 1, settings: Mapping[str, str] | None = None
    ) -> Awaitable[str]: ...


class Stack(Protocol):
    """Kafka and Postgres, each started when it is asked for: bootstrap servers, and the
    administrator's address.
    """

    def kafka(self) -> str: ...
    def postgres(self) -> str: ...
    def stop(self) -> None: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--containers",
        action="store_true",
        help="run what uses Kafka or PostgreSQL, and nothing else, with servers in containers",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What starts the whole of Steward comes first: it takes longest, and mostly waits."""
    items.sort(key=lambda item: item.get_closest_marker("system") is None)
    if config.getoption("containers"):
        others = [item for item in items if not _uses_servers(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if _uses_servers(item)]


def _uses_servers(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and not {"kafka", "postgres"}.isdisjoint(
        item.fixturenames
    )


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    started: Stack
    if request.config.getoption("containers"):
        # Here, because who runs the other tests need not have it.
        from tests.support.container_stack import ContainerStack

        started = ContainerStack()
    else:
        started = LocalStack()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers of the session's Kafka."""
    given = _given(request.config, "KAFKA_BOOTSTRAP_SERVERS")
    return given or request.getfixturevalue("stack").kafka()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The administrator's address of the session's Postgres."""
    given = _given(request.config, "DATABASE_URL")
    return given or request.getfixturevalue("stack").postgres()


def _given(config: pytest.Config, variable: str) -> str | None:
    """A server that exists, unless it is to be tested with containers."""
    return None if config.getoption("containers") else os.environ.get(variable)


@pytest.fixture(scope="session")
def secrets_folder(tmp_path_factory: pytest.TempPathFactory) -> SecretsFolder:
    """One for the session: roles, and so their passwords, belong to the server, not to a database.

    A test that changes secrets makes a folder of its own.
    """
    folder = SecretsFolder(tmp_path_factory.mktemp("steward") / "secrets")
    folder.create()
    return folder


@pytest.fixture(scope="session")
def template_database(postgres: str, secrets_folder: SecretsFolder) -> Iterator[str]:
    """A database that `migrate` has made, for cloning; nothing may be connected to it."""

    # Here, so that tests without a database load nothing of all this.
    from services.cli.migration import migrate_database

    async def make() -> str:
        url = await create_database(postgres)
        await migrate_database(url, secrets_folder, ROOT / "plan.toml")
        return url

    url = asyncio.run(make())
    yield url
    asyncio.run(drop_database(url))


@pytest.fixture
async def empty_database(postgres: str) -> AsyncIterator[str]:
    """The administrator's address of a new database with nothing in it."""
    url = await create_database(postgres)
    yield url
    await drop_database(url)


@pytest.fixture
async def database(template_database: str) -> AsyncIterator[str]:
    """The administrator's address of a new, migrated database (DATABASE_URL)."""
    url = await clone_database(template_database)
    yield url
    await drop_database(url)


@pytest.fixture
def service_settings(
    request: pytest.FixtureRequest, database: str, secrets_folder: SecretsFolder, tmp_path: Path
) -> SettingsFactory:
    """Settings of a service that uses the session's servers and this test's database.

    Kafka is started only where the call does not name another one.
    """

    def make(service: str, **over: object) -> ServiceSettings:
        given: dict[str, object] = {
            "database_url": database,
            "secrets": secrets_folder.path,
            "plan": ROOT / "plan.toml",
            # A log of its own: the topic of checkpoints is the session's.
            "audit_folder": tmp_path / "published",
            "audit_origin": f"{uuid.uuid4().hex}.example.org/audit",
            **over,
        }
        if "kafka_bootstrap_servers" not in given:
            given["kafka_bootstrap_servers"] = request.getfixturevalue("kafka")
        return _settings_class(service).model_validate(given)

    return make


@pytest.fixture
async def topic_factory(kafka: str) -> AsyncIterator[TopicFactory]:
    """Makes topics with names that no other test has; removes them at the end of the test."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    made: list[str] = []

    async def make(
        hint: str = "topic", *, partitions: int = 1, settings: Mapping[str, str] | None = None
    ) -> str:
        name = f"{hint}-{uuid.uuid4().hex[:12]}"
        topic = NewTopic(name, partitions, 1, topic_configs=dict(settings or {}))
        await admin.create_topics([topic])
        made.append(name)
        return name

    yield make
    if made:
        await admin.delete_topics(made)
    await admin.close()


def _settings_class(service: str) -> type[ServiceSettings]:
    """The service's own class of settings; the common one for a name that only tests know."""
    try:
        module = importlib.import_module(f"services.{service}.settings")
    except ModuleNotFoundError:
        return ServiceSettings
    settings: type[ServiceSettings] = module.Settings
    return settings


@pytest.fixture(autouse=True)
def environment_of_its_own() -> Iterator[None]:
    """What a command of ours tells its process, as where secrets are, no other test is told."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True)
def logging_is_left_alone() -> Iterator[None]:
    """Fails the test that sets logging up for the process and leaves it so, not one after it."""
    before = structlog.get_config()
    yield
    if structlog.get_config() != before:
        structlog.reset_defaults()
        pytest.fail("it set logging up for the process: let it use `logging_as_it_was`")


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """Logging is the process's own: leave it as the other tests expect it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, sys.unraisablehook
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
