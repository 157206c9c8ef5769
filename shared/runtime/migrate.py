"""From an empty database to Steward's, and from any earlier version to this one; safe to repeat.

dbmate runs the files, one run for each schema; around it stands what dbmate does not do: versions
unique over several folders, checksums, roles that reach their own schema only, and the refusal to
touch a database that is somebody else's.
"""

from __future__ import annotations

import asyncio
import os
import re
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import asyncpg

from shared.runtime.database import OWNER, queries
from shared.runtime.migration_files import (
    MigrationError,
    MigrationFile,
    Schema,
    copy_for_dbmate,
    read_migrations,
    refuse_repeated_names,
)
from shared.runtime.quiet import QUIET
from shared.runtime.roles import make_roles_and_schemas
from shared.runtime.secrets import SecretsFolder

_OLDEST_SERVER = 17_00_00  # transaction_timeout came with PostgreSQL 17
_CONNECT_TIMEOUT_S = 10

_sql = queries("migrate.sql", __file__)


async def migrate(
    database_url: str, schemas: Sequence[Schema], secrets: SecretsFolder
) -> tuple[MigrationFile, ...]:
    """Make roles, schemas, grants and tables what they should be; return the files that ran now.

    `database_url` is the administrator's. `secrets` gets a password for each service that has none.
    Raises `MigrationError` (nothing of the file that failed stays) and what connecting raises.
    """
    refuse_repeated_names(schemas)
    files = {schema.name: read_migrations(schema) for schema in schemas}
    services = [schema.name for schema in schemas if schema.service]
    secrets.create_database_passwords(services)
    passwords = {service: secrets.database_password(service) for service in services}
    connection = await asyncpg.connect(database_url, timeout=_CONNECT_TIMEOUT_S)
    try:
        database = await _check_administrator(connection)
        await _sql.take_turn(connection)
        async with connection.transaction():
            await _refuse_foreign_database(connection, database)
            await make_roles_and_schemas(connection, database, schemas, passwords)
        pending = await _find_pending(connection, files)
        await _record(connection, pending)
        for schema in schemas:
            if pending[schema.name]:
                with tempfile.TemporaryDirectory(prefix="steward-migrate-") as folder:
                    copy_for_dbmate(schema, Path(folder))
                    await _run_dbmate(database_url, schema.name, Path(folder))
    finally:
        await connection.close()
    return tuple(file for name in files for file in pending[name])


async def _check_administrator(connection: asyncpg.Connection[asyncpg.Record]) -> str:
    row = await _sql.administrator(connection)
    if not row["superuser"]:
        raise MigrationError(
            f"DATABASE_URL signs in as {row['name']}, who is no superuser: roles, and what the"
            " server may log of them, need one"
        )
    if row["version"] < _OLDEST_SERVER:
        raise MigrationError("the server is older than PostgreSQL 17: upgrade it")
    return str(row["database"])


async def _refuse_foreign_database(
    connection: asyncpg.Connection[asyncpg.Record], database: str
) -> None:
    if await _sql.is_ours(connection):
        return
    found = [
        f"{row['schema']} ({row['relations']} tables and views)"
        async for row in _sql.foreign_contents(connection)
    ]
    if found:
        raise MigrationError(
            f"the database {database} is not empty and not Steward's: it has the schemas"
            f" {', '.join(found)}. Give DATABASE_URL a database of its own"
        )


async def _find_pending(
    connection: asyncpg.Connection[asyncpg.Record], files: Mapping[str, Sequence[MigrationFile]]
) -> dict[str, list[MigrationFile]]:
    """Compare what ran with what is there, for all schemas before any of them changes."""
    recorded = {
        (row["schema"], row["version"]): row
        async for row in _sql.recorded(connection, schemas=list(files))
    }
    pending: dict[str, list[MigrationFile]] = {}
    findings: list[str] = []
    for name, present in files.items():
        applied = await _applied(connection, name)
        pending[name] = [file for file in present if file.version not in applied]
        for file in present:
            row = recorded.get((name, file.version))
            if file.version in applied and row is not None and row["sha256"] != file.sha256:
                findings.append(
                    f"{name}: {file.name} was changed after it ran: restore it, and write what is"
                    " new into a new file"
                )
        for version in sorted(applied - {file.version for file in present}):
            row = recorded.get((name, version))
            findings.append(
                f"{name}: {row['name'] if row else version} ran here and is not in this version of"
                " Steward: use the version that made the database, or a newer one"
            )
    if findings:
        raise MigrationError("\n".join(findings))
    return pending


async def _applied(connection: asyncpg.Connection[asyncpg.Record], schema: str) -> set[str]:
    if not await _sql.has_bookkeeping(connection, table_name=f"{schema}.schema_migrations"):
        return set()
    rows = await connection.fetch(f"select version from {schema}.schema_migrations")  # noqa: S608 - a Schema's name is checked when it is made
    return {row["version"] for row in rows}


async def _record(
    connection: asyncpg.Connection[asyncpg.Record], pending: Mapping[str, Sequence[MigrationFile]]
) -> None:
    files = [file for some in pending.values() for file in some]
    await _sql.record(
        connection,
        schemas=[file.schema for file in files],
        versions=[file.version for file in files],
        names=[file.name for file in files],
        digests=[file.sha256 for file in files],
    )


async def _run_dbmate(database_url: str, schema: str, folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        str(Path(sysconfig.get_path("scripts")) / "dbmate"),
        "--env-file",
        os.devnull,  # else it reads a .env of the folder it is started in
        "--migrations-dir",
        str(folder),
        "--migrations-table",
        f"{schema}.schema_migrations",
        "--no-dump-schema",
        "migrate",
        env={**_without_dbmate(os.environ), "DATABASE_URL": _for_schema(database_url, schema)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise MigrationError(_explain(schema, output.decode(), errors.decode()))


def _without_dbmate(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("DBMATE_")}


def _for_schema(database_url: str, schema: str) -> str:
    """The address for one schema: all that a file makes is in it and belongs to the owner. The
    server's log gets nothing of it: what a file says of data that do not fit quotes them.
    """
    parts = urlsplit(database_url)
    added = {"search_path": schema, "role": OWNER, **QUIET}
    if "sslmode=" not in parts.query:
        # asyncpg prefers TLS and does without; the library in dbmate requires it unless told.
        added["sslmode"] = "prefer"
    query = "&".join(part for part in (parts.query, urlencode(added)) if part)
    # dbmate knows the scheme `postgres`; both mean the same.
    return urlunsplit(parts._replace(scheme="postgres", query=query))


def _explain(schema: str, output: str, errors: str) -> str:
    """What dbmate said, without what it may quote of the data that a file met."""
    started = re.findall(r"^Applying: (\S+)", output, re.MULTILINE)
    file = started[-1] if started else "before the first file"
    lines = [line for line in errors.splitlines() if line.startswith("Error: ")]
    sentence = lines[-1].removeprefix("Error: ") if lines else "dbmate failed"
    state = re.search(r"\((\w{5})\)\s*$", sentence)
    if state is not None and state.group(1)[:2] in {"22", "23"}:  # data, integrity: quote values
        sentence = re.sub(r"pq:.*", f"the data does not fit (SQLSTATE {state.group(1)})", sentence)
    return f"{schema}: {file}: {sentence}"
