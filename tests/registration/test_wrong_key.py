"""Under another key-encryption key than its keyring's a service does not start, nor writes."""

from __future__ import annotations

import secrets
import shlex
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from services.cli.failures import sentence
from services.registration.app import NAME
from shared.assembly import open_parts
from shared.privacy.errors import WrongKeyError
from shared.runtime.secrets import SecretsError
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.work import NO_KAFKA

Given = Callable[[ServiceSettings, str], ServiceSettings]


def in_the_file(settings: ServiceSettings, key: str) -> ServiceSettings:
    (settings.secrets / "key-encryption-key").write_text(key)
    return settings


def in_the_environment(settings: ServiceSettings, key: str) -> ServiceSettings:
    return settings.model_copy(update={"key_encryption_key": SecretStr(key)})


def by_a_command(settings: ServiceSettings, key: str) -> ServiceSettings:
    command = shlex.join([sys.executable, "-c", f"print({key!r})"])
    return settings.model_copy(update={"key_encryption_key_command": SecretStr(command)})


@pytest.fixture
async def written(database: str) -> AsyncIterator[Callable[[], Awaitable[list[int]]]]:
    """How many rows each table of the keyring has, and each of the service's that it writes to."""
    administrator = await asyncpg.connect(database)
    tables = await administrator.fetch(
        "select format('%I.%I', schemaname, tablename) as name from pg_tables"
        " where schemaname in ('keyring', $1) order by 1",
        NAME,
    )

    async def counted() -> list[int]:
        counts = [f"(select count(*) from {table['name']})" for table in tables]  # noqa: S608
        row = await administrator.fetchrow(f"select {', '.join(counts)}")
        assert row is not None
        return list(row)

    yield counted
    await administrator.close()


@pytest.mark.parametrize("give", [in_the_file, in_the_environment, by_a_command])
async def test_a_wrong_key_is_noticed_at_start_wherever_it_comes_from(
    service_settings: SettingsFactory,
    tmp_path: Path,
    give: Given,
    written: Callable[[], Awaitable[list[int]]],
) -> None:
    right = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)
    folder = tmp_path / "secrets"
    shutil.copytree(right.secrets, folder)
    own = right.model_copy(update={"secrets": folder})
    async with open_parts(right, service=NAME):
        pass  # the first start of all records its key
    before = await written()
    with pytest.raises(WrongKeyError, match="restore") as error:
        async with open_parts(give(own, secrets.token_hex(32)), service=NAME):
            pytest.fail("started")
    assert sentence(error.value) == str(error.value), "and the command says so"
    assert await written() == before, "before anything is written under it"


@pytest.mark.parametrize(
    ("fault", "why"),
    [("missing", "cannot read"), ("short", "32 bytes"), ("world-readable", "chmod 600")],
)
async def test_a_faulty_key_file_keeps_a_service_from_starting_and_says_why(
    service_settings: SettingsFactory, tmp_path: Path, fault: str, why: str
) -> None:
    right = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)
    folder = tmp_path / "secrets"
    shutil.copytree(right.secrets, folder)
    file = folder / "key-encryption-key"
    match fault:
        case "missing":
            file.unlink()
        case "short":
            file.write_text(secrets.token_hex(31))
        case _:
            file.chmod(0o644)
    with pytest.raises(SecretsError, match=why) as error:
        async with open_parts(right.model_copy(update={"secrets": folder}), service=NAME):
            pytest.fail("started")
    assert str(file) in sentence(error.value)


@pytest.mark.parametrize("give", [in_the_environment, by_a_command])
async def test_the_same_key_may_come_from_elsewhere(
    service_settings: SettingsFactory, give: Given
) -> None:
    right = service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)
    async with open_parts(right, service=NAME):
        pass
    key = (right.secrets / "key-encryption-key").read_text()
    async with open_parts(give(right, key), service=NAME):
        pass
