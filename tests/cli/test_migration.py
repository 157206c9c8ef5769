"""`steward migrate` gives nobody a new password unless the secrets are those of the database, and
lets nothing start by a plan that contradicts itself.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from services.cli.failures import sentence
from services.cli.migration import migrate_database, refuse_other_secrets
from services.cli.root import app
from services.registration.app import NAME
from shared.assembly import open_parts
from shared.privacy.errors import NoPlanError, WrongKeyError
from shared.privacy.plan import PlanError
from shared.runtime.migration_files import MigrationError
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.commands import command
from tests.support.plans import PLAN, without, written
from tests.support.work import NO_KAFKA


@pytest.fixture
def migrated(service_settings: SettingsFactory) -> ServiceSettings:
    """Settings of a database in which no service has started yet."""
    return service_settings(NAME, kafka_bootstrap_servers=NO_KAFKA)


@pytest.fixture
async def used(migrated: ServiceSettings) -> ServiceSettings:
    """Settings of a database in which a service has started: it recorded its key."""
    async with open_parts(migrated, service=NAME):
        pass
    return migrated


@pytest.fixture
def other(tmp_path: Path) -> SecretsFolder:
    """Secrets that were made for something else."""
    folder = SecretsFolder(tmp_path / "other")
    folder.create()
    return folder


def copied(settings: ServiceSettings, folder: Path) -> ServiceSettings:
    """With a copy of the right secrets, to be changed."""
    shutil.copytree(settings.secrets, folder)
    return settings.model_copy(update={"secrets": folder})


async def verifiers(database_url: str) -> dict[str, str]:
    """What the server keeps of each role's password."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "select rolname, rolpassword from pg_authid where rolname ~ '^steward_'"
        )
        return {row["rolname"]: row["rolpassword"] for row in rows}
    finally:
        await connection.close()


async def test_in_another_folder_it_locks_nobody_out_however_often_it_is_tried(
    used: ServiceSettings, tmp_path: Path
) -> None:
    elsewhere = used.model_copy(update={"secrets": tmp_path / "another" / "secrets"})
    before = await verifiers(used.database_url)
    for _ in range(2):
        with pytest.raises(WrongKeyError, match="are not those of this database") as caught:
            await command(app, elsewhere, "migrate")
        assert str(elsewhere.secrets) in sentence(caught.value)
    assert await verifiers(used.database_url) == before


async def test_passwords_may_be_deleted_to_be_made_anew(
    used: ServiceSettings, tmp_path: Path
) -> None:
    settings = copied(used, tmp_path / "secrets")
    shutil.rmtree(settings.secrets / "database")
    await refuse_other_secrets(used.database_url, settings)


async def test_a_password_that_fits_is_proof_whatever_the_key(
    used: ServiceSettings, tmp_path: Path
) -> None:
    settings = copied(used, tmp_path / "secrets")
    (settings.secrets / "key-encryption-key").write_text(secrets.token_hex(32), "ascii")
    (settings.secrets / "database" / NAME).unlink()
    await refuse_other_secrets(used.database_url, settings)


async def test_a_key_from_elsewhere_is_proof_too(
    used: ServiceSettings, other: SecretsFolder
) -> None:
    key = SecretStr((used.secrets / "key-encryption-key").read_text("ascii"))
    settings = used.model_copy(update={"secrets": other.path, "key_encryption_key": key})
    await refuse_other_secrets(used.database_url, settings)


async def test_where_no_service_has_started_there_is_nothing_to_lose(
    migrated: ServiceSettings, other: SecretsFolder
) -> None:
    settings = migrated.model_copy(update={"secrets": other.path})
    await refuse_other_secrets(migrated.database_url, settings)


async def test_who_is_no_administrator_is_told_that(
    used: ServiceSettings, other: SecretsFolder
) -> None:
    password = (used.secrets / "database" / NAME).read_text("ascii").strip()
    address = used.database_url.partition("@")[2]
    settings = used.model_copy(
        update={
            "secrets": other.path,
            "database_url": f"postgresql://steward_{NAME}:{password}@{address}",
        }
    )
    with pytest.raises(MigrationError, match="who is no superuser"):
        await command(app, settings, "migrate")


async def test_a_plan_that_contradicts_itself_stops_the_first_start_and_is_not_read_later(
    empty_database: str,
    secrets_folder: SecretsFolder,
    service_settings: SettingsFactory,
    tmp_path: Path,
) -> None:
    contradicts = written(tmp_path, without("[retention.diet]"))
    settings = service_settings(NAME, database_url=empty_database, kafka_bootstrap_servers=NO_KAFKA)
    with pytest.raises(PlanError, match="diet"):
        await migrate_database(empty_database, secrets_folder, contradicts)
    with pytest.raises(NoPlanError):
        async with open_parts(settings, service=NAME):
            raise AssertionError("it starts without a plan")
    await migrate_database(empty_database, secrets_folder, PLAN)
    await migrate_database(empty_database, secrets_folder, contradicts)
    async with open_parts(settings, service=NAME):
        pass
