"""Brings given servers to what this version needs: roles, schemas, grants of the plan, topics."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from services.cli.schemas import schemas
from shared.contract.topics import TOPICS
from shared.privacy.grants import apply_grants
from shared.privacy.plan import load_plan
from shared.runtime.migrate import MigrationFile, Progress, create_topics, migrate
from shared.runtime.secrets import SecretsFolder


async def migrate_database(
    database_url: str, secrets: SecretsFolder, plan: Path, *, progress: Progress | None = None
) -> tuple[MigrationFile, ...]:
    """Roles, schemas and tables, then what the plan lets each service open; safe to repeat.

    `database_url` is the administrator's. Raises MigrationError, SecretsError and PlanError.
    """
    loaded = load_plan(plan)
    files = await migrate(database_url, schemas(), secrets, progress=progress)
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        await apply_grants(connection, loaded)
    finally:
        await connection.close()
    return files


async def migrate_everything(
    database_url: str,
    bootstrap_servers: str,
    secrets: SecretsFolder,
    plan: Path,
    *,
    replication_factor: int | None = None,
    progress: Progress | None = None,
) -> tuple[tuple[MigrationFile, ...], tuple[str, ...]]:
    """The database and the topics; what was run and made now.

    `replication_factor` None: one replica of a topic on each broker, three at most.
    """
    files = await migrate_database(database_url, secrets, plan, progress=progress)
    topics = await create_topics(bootstrap_servers, TOPICS, replication_factor=replication_factor)
    return files, topics
