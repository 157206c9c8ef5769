"""Each service connects as its own role and can reach no other schema: every pair is tried."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import asyncpg
import pytest

from services.cli.schemas import SERVICES, schemas
from shared.runtime.database import (
    Connection,
    connect_alone,
    is_transient,
    open_pool,
    role_name,
)
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from tests.support.databases import cloned

OTHERS = [schema.name for schema in schemas()]
PAIRS = [(one, other) for one, other in itertools.product(SERVICES, OTHERS) if one != other]
ATTEMPTS = (
    "select * from {table} limit 1",
    "insert into {table} default values",
    "delete from {table}",
    "truncate {table}",
)
FORBIDDEN = "42501"  # insufficient_privilege


@pytest.fixture(scope="module")
def migrated(template_database: str) -> Iterator[str]:
    """One database for all: nothing that is tried here may succeed."""
    with cloned(template_database) as url:
        yield url


@pytest.fixture
async def admin(migrated: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(migrated)
    yield connection
    await connection.close()


@pytest.fixture
def settings(migrated: str, secrets_folder: SecretsFolder) -> Callable[..., ServiceSettings]:
    def make(session_timeout_ms: int = 10_000) -> ServiceSettings:
        return ServiceSettings(
            database_url=migrated,
            kafka_bootstrap_servers="unused:1",
            secrets=secrets_folder.path,
            session_timeout_ms=session_timeout_ms,
        )

    return make


async def tables_of(admin: Connection, schema: str) -> list[str]:
    found = await admin.fetch(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'S')",
        schema,
    )
    return [row["relname"] for row in found]


async def sqlstate_of(connection: Connection, statement: str) -> str | None:
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        return error.sqlstate
    return None


@pytest.mark.parametrize(("service", "other"), PAIRS)
async def test_no_service_can_use_a_table_of_another_schema(
    settings: Callable[..., ServiceSettings], admin: Connection, service: str, other: str
) -> None:
    tables = await tables_of(admin, other)
    assert tables, f"nothing to try in {other}"
    connection = await connect_alone(settings(), service=service)
    try:
        for table in tables:
            for attempt in ATTEMPTS:
                statement = attempt.format(table=f"{other}.{table}")
                assert await sqlstate_of(connection, statement) == FORBIDDEN, statement
        assert await sqlstate_of(connection, f"create table {other}.own (id int)") == FORBIDDEN
    finally:
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_holds_no_privilege_outside_its_schema(
    admin: Connection, service: str
) -> None:
    """The catalog's own view, for what the statements above do not try: columns, sequences."""
    role = role_name(service)
    found = await admin.fetch(
        "select n.nspname || '.' || c.relname from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname <> $2 and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
        "   and c.relkind in ('r', 'p', 'v', 'm', 'f')"
        "   and (has_table_privilege($1, c.oid, 'select,insert,update,delete,truncate,references')"
        "     or has_any_column_privilege($1, c.oid, 'select,insert,update,references'))",
        role,
        service,
    )
    assert [row[0] for row in found] == []
    memberships = await admin.fetch(
        "select rolname from pg_roles where rolname <> $1 and pg_has_role($1, oid, 'member')",
        role,
    )
    assert [row[0] for row in memberships] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_can_only_execute_functions_of_the_keyring_or_its_own(
    admin: Connection, service: str
) -> None:
    found = await admin.fetch(
        "select distinct n.nspname from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        " where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
        "   and has_function_privilege($1, p.oid, 'execute')"
        "   and has_schema_privilege($1, n.oid, 'usage')",
        role_name(service),
    )
    assert {row[0] for row in found} <= {"keyring", service}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_makes_no_tables_and_takes_no_other_role(
    settings: Callable[..., ServiceSettings], service: str
) -> None:
    connection = await connect_alone(settings(), service=service)
    try:
        assert await connection.fetchval("select current_user") == role_name(service)
        assert await connection.fetchval("show search_path") == service
        for statement in (
            "create table own (id int)",
            "create table public.own (id int)",
            "create schema own",
            "set role steward_owner",
            "set session authorization steward_owner",
            "select * from pg_authid",
            "select * from steward.migration",
            "set log_statement = 'all'",
        ):
            assert await sqlstate_of(connection, statement) == FORBIDDEN, statement
    finally:
        await connection.close()


async def test_only_who_asks_for_it_does_not_wait_for_the_disk(
    settings: Callable[..., ServiceSettings],
) -> None:
    query = "select setting, source from pg_settings where name = 'synchronous_commit'"
    for waits in (True, False):
        connection = await connect_alone(
            settings(), service="registration", synchronous_commit=waits
        )
        try:
            found = await connection.fetchrow(query)
            assert found is not None
            assert (found["source"] == "client") == (not waits), "else it is as the server has it"
            assert waits or found["setting"] == "off"
        finally:
            await connection.close()


async def test_every_service_has_a_password_of_its_own(
    settings: Callable[..., ServiceSettings],
) -> None:
    for one, other in itertools.permutations(SERVICES, 2):
        configured = settings()
        stolen = (configured.secrets / "database" / one).read_text().strip()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(configured.database_url, user=role_name(other), password=stolen)


async def test_time_limits_stay_below_the_session_timeout(
    settings: Callable[..., ServiceSettings],
) -> None:
    pool = await open_pool(settings(session_timeout_ms=4000), service="audit")
    try:
        shown = {
            name: await pool.fetchval("select setting from pg_settings where name = $1", name)
            for name in (
                "transaction_timeout",
                "idle_in_transaction_session_timeout",
                "tcp_keepalives_idle",
                "log_statement",
                "log_min_messages",
            )
        }
    finally:
        await pool.close()
    assert shown == {
        "transaction_timeout": "3200",
        "idle_in_transaction_session_timeout": "2000",
        "tcp_keepalives_idle": "5",
        "log_statement": "none",
        "log_min_messages": "fatal",
    }


async def test_a_transaction_that_stands_still_is_ended_and_may_be_done_again(
    settings: Callable[..., ServiceSettings],
) -> None:
    connection = await connect_alone(settings(session_timeout_ms=1000), service="audit")
    gone = asyncio.Event()
    connection.add_termination_listener(lambda _: gone.set())
    await connection.execute("begin")
    await asyncio.wait_for(gone.wait(), 10)
    with pytest.raises(asyncpg.InterfaceError) as caught:
        await connection.execute("select 1")
    assert is_transient(caught.value)
