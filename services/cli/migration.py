"""Brings given servers to what this version needs: roles, schemas, grants of the plan, topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg

from services.cli.schemas import SERVICES, schemas
from shared.contract.topics import TOPICS
from shared.privacy.belonging import belongs
from shared.privacy.errors import WrongKeyError
from shared.privacy.grants import apply_grants
from shared.privacy.key_sources import open_wrappers
from shared.privacy.putting_in_force import first_plan
from shared.runtime.actor import actor
from shared.runtime.clock import utc_now
from shared.runtime.cluster import Cluster
from shared.runtime.database import role_name, without_credentials
from shared.runtime.migrate import migrate
from shared.runtime.migration_files import MigrationFile
from shared.runtime.quiet import loud_settings
from shared.runtime.roles import any_fits
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from shared.runtime.topics import create_topics


async def refuse_other_secrets(database_url: str, settings: ServiceSettings) -> None:
    """WrongKeyError where a Steward has worked in the database, and the secrets are not its own:
    migrating would give its roles other passwords, and lock out what runs (ADR 78).

    One password of the folder that a role has is proof, or one key-encryption key at hand that the
    keyring knows; so passwords may be deleted to have them made anew. `database_url` is the
    administrator's.
    """
    secrets = SecretsFolder(settings.secrets)
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        if await any_fits(connection, secrets.database_passwords(SERVICES)):
            return
        async with open_wrappers(settings) as wrappers:
            if await belongs(connection, wrappers):
                return
    except asyncpg.InsufficientPrivilegeError:
        return  # no administrator: migrating says so, and changes nothing
    finally:
        await connection.close()
    raise WrongKeyError(
        f"the secrets in {secrets.path} are not those of this database: no password there is its"
        " own, nor is a key-encryption key at hand. Restore the folder that belongs to it, or name"
        " it by STEWARD_SECRETS or STEWARD_HOME; where its key-encryption key is elsewhere, name"
        " that too. Nothing was changed"
    )


async def migrate_database(
    database_url: str, secrets: SecretsFolder, plan: Path
) -> tuple[MigrationFile, ...]:
    """Roles, schemas and tables, then what the plan in force lets each service open; repeatable.

    The first time that is the plan in this file, which comes into force; afterwards it changes by
    `steward plan apply` alone. `database_url` is the administrator's. Raises MigrationError,
    SecretsError and PlanError.
    """
    files = await migrate(database_url, schemas(), secrets)
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        async with connection.transaction():
            in_force = await first_plan(connection, plan, SERVICES, at=utc_now(), actor=actor())
            await apply_grants(connection, in_force)
    finally:
        await connection.close()
    return files


async def migrate_everything(
    database_url: str,
    cluster: Cluster,
    secrets: SecretsFolder,
    plan: Path,
    *,
    replication_factor: int | None = None,
) -> tuple[tuple[MigrationFile, ...], tuple[str, ...]]:
    """The database and the topics; what was run and made now.

    `replication_factor` None: one replica of a topic on each broker, three at most.
    """
    files = await migrate_database(database_url, secrets, plan)
    topics = await create_topics(cluster, TOPICS, replication_factor=replication_factor)
    return files, topics


async def loud_services(database_url: str, secrets: SecretsFolder) -> dict[str, list[str]]:
    """Services whose statements the server may write to its log, by which settings of it."""
    found = {}
    for service in SERVICES:
        connection = await asyncpg.connect(
            without_credentials(database_url),
            user=role_name(service),
            password=secrets.database_password(service),
            timeout=10,
        )
        try:
            if loud := await loud_settings(connection):
                found[service] = loud
        finally:
            await connection.close()
    return found


def warning_of(loud: Mapping[str, Sequence[str]]) -> str | None:
    """The sentence for whoever migrates; None where all is quiet."""
    if not loud:
        return None
    settings = sorted({name for names in loud.values() for name in names})
    return (
        f"the database may log personal data of {', '.join(loud)}: {', '.join(settings)} is set for"
        " their roles in this database. See `the database may log personal data` in"
        " docs/operations.md"
    )
