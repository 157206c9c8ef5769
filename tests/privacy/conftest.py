"""Privacy on a real Postgres: each service connects as its own role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.contract.registry import MessageData
from shared.privacy.office import PrivacyOffice
from shared.privacy.plan import Plan, load_plan
from shared.privacy.privacy import Privacy
from shared.privacy.wrapping import KeyWrappers
from shared.runtime.database import Connection, connect_alone
from shared.runtime.secrets import SecretsFolder
from tests.conftest import SettingsFactory
from tests.support.databases import cloned

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)

TABLES = ", ".join(
    (
        *(
            f"keyring.{table}"
            for table in (
                *("subject", "alias", "shared_alias", "erased_alias", "same_person"),
                *("data_key", "cut_off", "record_key", "access_attempt"),
            )
        ),
        "keyring.key_encryption_key",
        "registration.handover",
        "registration.handover_value",
        "registration.delivery",
        "registration.position",
        "retention.outbox",
        "registration.processing_limit",
    )
)

Connect = Callable[[str], Awaitable["asyncpg.Connection[asyncpg.Record]"]]


@dataclass
class SpokenTransaction:
    """What `disclose()` needs of a unit of work, and what was said in it."""

    connection: Connection
    now: datetime = NOW
    said: list[tuple[MessageData, UUID | None, UUID | None]] = field(default_factory=list)

    def new_id(self) -> UUID:
        return uuid4()

    def say(self, data: MessageData, *, key: UUID | None, subject: UUID | None = None) -> None:
        self.said.append((data, key, subject))


WithPeppers = Callable[..., Privacy]


@pytest.fixture
def with_peppers(privacy: Privacy) -> WithPeppers:
    """The same with these peppers, the newest first."""

    def make(*peppers: bytes) -> Privacy:
        return Privacy(
            privacy.plan,
            service="registration",
            wrappers=KeyWrappers.of([bytes(32)]),
            peppers=peppers,
            reference_key=bytes(32),
        )

    return make


@pytest.fixture(scope="session")
def plan() -> Plan:
    return load_plan(ROOT / "plan.toml")


@pytest.fixture
def privacy_of(plan: Plan, secrets_folder: SecretsFolder) -> Callable[[str], Privacy]:
    """`privacy_of("registration")`: as that service has it."""
    return lambda service: Privacy.open(
        plan,
        secrets_folder,
        service=service,
        wrappers=KeyWrappers.of(secrets_folder.key_encryption_keys().values()),
    )


@pytest.fixture
def privacy(privacy_of: Callable[[str], Privacy]) -> Privacy:
    """The registration service's: it makes people known and seals what they say."""
    return privacy_of("registration")


@pytest.fixture(scope="module")
def database(template_database: str) -> Iterator[str]:
    """One for all tests of a module, which `connect` empties: cloning is what takes time here."""
    with cloned(template_database) as url:
        yield url


@pytest.fixture
async def connect(
    service_settings: SettingsFactory, administrator: asyncpg.Connection[asyncpg.Record]
) -> AsyncIterator[Connect]:
    """`await connect("registration")`: a connection as that service's role, to empty tables."""
    await administrator.execute(f"truncate {TABLES}")
    opened: list[asyncpg.Connection[asyncpg.Record]] = []

    async def make(service: str) -> asyncpg.Connection[asyncpg.Record]:
        settings = service_settings(
            service,
            kafka_bootstrap_servers="127.0.0.1:1",  # nobody connects to it
            session_timeout_ms=120_000,  # a busy machine is no reason to fail
        )
        opened.append(await connect_alone(settings, service=service))
        return opened[-1]

    yield make
    for connection in opened:
        await connection.close(timeout=5)


@pytest.fixture
async def intake(connect: Connect) -> asyncpg.Connection[asyncpg.Record]:
    """Where people are made known."""
    return await connect("registration")


@pytest.fixture
async def tx(connect: Connect) -> SpokenTransaction:
    """A unit of work of the registration service."""
    return SpokenTransaction(await connect("registration"))


@pytest.fixture
def office(privacy_of: Callable[[str], Privacy]) -> PrivacyOffice:
    return PrivacyOffice(privacy_of("retention"), "cli:tester")


@pytest.fixture
async def administrator(database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()
