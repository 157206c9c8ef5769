"""Database roles: one for each service, which reaches its own schema only; one that owns all."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

import asyncpg

from shared.runtime.database import OWNER, queries, role_name
from shared.runtime.migration_files import Schema
from shared.runtime.quiet import QUIET

MARK = "Steward keeps its record of migrations here"

_BOOKKEEPING = f"""
create schema if not exists steward authorization {OWNER};
comment on schema steward is '{MARK}';
create table if not exists steward.migration (
    schema text not null,
    version text not null,
    name text not null,
    sha256 text not null,
    primary key (schema, version)
);
alter table steward.migration owner to {OWNER};
"""

_sql = queries("migrate.sql", __file__)


async def make_roles_and_schemas(
    connection: asyncpg.Connection[asyncpg.Record],
    database: str,
    schemas: Sequence[Schema],
    passwords: Mapping[str, str],
) -> None:
    """Make roles, schemas and grants what they should be; run inside one transaction.

    `passwords` by service. Everything here may run again: it states, it does not add.
    """
    # Before any password is sent.
    for name, value in QUIET.items():
        await connection.execute(f"set local {name} = '{value}'")
    await _sql.lock_roles(connection)
    await _make_owner(connection, database)
    for service, password in passwords.items():
        await _make_service_role(connection, role_name(service), service, password)
    await connection.execute(f"revoke all on database {_quoted(database)} from public")
    await connection.execute("revoke all on schema public from public")
    await connection.execute(_BOOKKEEPING)
    for schema in schemas:
        await _make_schema(connection, database, schema)


async def is_there(connection: asyncpg.Connection[asyncpg.Record]) -> bool:
    """Whether a Steward has its roles on this server, in whichever database it is."""
    return bool(await _sql.role_exists(connection, role=OWNER))


async def any_fits(
    connection: asyncpg.Connection[asyncpg.Record], passwords: Mapping[str, str]
) -> bool:
    """Whether one of these passwords, by service, is its role's. The administrator may look."""
    for service, password in passwords.items():
        verifier = await _sql.password_verifier(connection, role=role_name(service))
        if verifies(verifier, password):
            return True
    return False


async def _make_owner(connection: asyncpg.Connection[asyncpg.Record], database: str) -> None:
    if not await _sql.role_exists(connection, role=OWNER):
        await connection.execute(f"create role {OWNER}")
    await connection.execute(f"alter role {OWNER} nologin nosuperuser nocreatedb nocreaterole")
    await connection.execute(f"grant connect on database {_quoted(database)} to {OWNER}")
    # A function is callable by everyone unless its migration says who: so nobody is the default.
    await connection.execute(
        f"alter default privileges for role {OWNER} revoke execute on functions from public"
    )


async def _make_service_role(
    connection: asyncpg.Connection[asyncpg.Record], role: str, service: str, password: str
) -> None:
    if not await _sql.role_exists(connection, role=role):
        await connection.execute(f"create role {role}")
    await connection.execute(
        f"alter role {role} login noinherit nosuperuser nocreatedb nocreaterole noreplication"
        " nobypassrls"
    )
    verifier = await _sql.password_verifier(connection, role=role)
    if not verifies(verifier, password):
        await connection.execute(f"alter role {role} password '{_literal(password)}'")
    for name, value in {**QUIET, "search_path": service}.items():
        await connection.execute(f"alter role {role} set {name} = '{value}'")


async def _make_schema(
    connection: asyncpg.Connection[asyncpg.Record], database: str, schema: Schema
) -> None:
    await connection.execute(f"create schema if not exists {schema.name}")
    await connection.execute(f"alter schema {schema.name} owner to {OWNER}")
    await connection.execute(f"revoke all on schema {schema.name} from public")
    if schema.service:
        role = role_name(schema.name)
        await connection.execute(f"grant connect on database {_quoted(database)} to {role}")
        await connection.execute(f"grant usage on schema {schema.name} to {role}")


def verifies(verifier: str | None, password: str) -> bool:
    """Whether a stored SCRAM-SHA-256 verifier (RFC 5803) belongs to this password."""
    try:
        scheme, salting, keys = (verifier or "").split("$")
        iterations, salt = salting.split(":")
        stored_key = base64.b64decode(keys.split(":")[0])
    except ValueError:
        return False
    if scheme != "SCRAM-SHA-256":
        return False
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode("ascii"), base64.b64decode(salt), int(iterations)
    )
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), stored_key)


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return text.replace("'", "''")
