"""Ways by which values of rows and parameters are known to get out, one by one: through the log of
a server that writes all it can, and through the errors that libraries raise.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import pytest
import structlog
from pydantic import BaseModel, ValidationError

from services.cli.failures import sentence
from services.cli.migration import loud_services, migrate_database, warning_of
from shared.local.postgres import LocalPostgres
from shared.local.postgres_folder import remove_data
from shared.runtime.database import Connection, describe, open_pool
from shared.runtime.logging import configure_logging
from shared.runtime.migrate import migrate
from shared.runtime.migration_files import MigrationError, Schema
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from tests.canary.marks import PLANTED, Marks
from tests.canary.searcher import Searcher
from tests.conftest import ROOT
from tests.support.local_stack import LoopThread

MARKS: Final = Marks.make(os.urandom)
MARK: Final = MARKS.of(PLANTED, "other")
LOUD: Final[Mapping[str, str]] = {
    "log_statement": "all",
    "log_min_messages": "info",
    "log_min_error_statement": "error",
    "log_min_duration_statement": "0",
    "log_parameter_max_length": "-1",
    "log_parameter_max_length_on_error": "-1",
    "log_error_verbosity": "verbose",
    "shared_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
}
_TABLE: Final = """
    create table registration.known_leak (
        name text unique check (name <> 'forbidden' and length(name) < 100),
        number integer,
        parent text references registration.known_leak (name));
    grant select, insert, update on registration.known_leak to steward_registration;
    insert into registration.known_leak (name) values ('"""

Provoke = Callable[[Connection], Awaitable[object]]


async def copy_of_a_wrong_value(connection: Connection) -> None:
    source = io.BytesIO(f"x\t{MARK}\t\\N\n".encode())
    await connection.copy_to_table("known_leak", source=source)


async def copy_of_a_known_key(connection: Connection) -> None:
    await connection.copy_records_to_table("known_leak", records=[(MARK, 1, None)])


async def prepared_statement_that_fails(connection: Connection) -> None:
    statement = await connection.prepare("insert into known_leak (name) values ($1)")
    await statement.fetch(MARK)


async def prepared_statement_that_succeeds(connection: Connection) -> None:
    statement = await connection.prepare("select name from known_leak where name = $1")
    await statement.fetch(MARK)


async def row_that_breaks_a_check(connection: Connection) -> None:
    await connection.execute("insert into known_leak (name, number) values ($1, 1)", MARK * 5)


async def row_without_a_parent(connection: Connection) -> None:
    insert = "insert into known_leak (name, parent) values ('child', $1)"
    await connection.execute(insert, f"{MARK} is missing")


async def text_that_is_no_number(connection: Connection) -> None:
    await connection.execute("select $1::text::int", MARK)


async def literal_in_a_statement(connection: Connection) -> None:
    await connection.execute(f"select '{MARK}'::int")


async def statement_with_a_fault(connection: Connection) -> None:
    await connection.execute(f"select '{MARK}' from nowhere")  # noqa: S608 - our own mark


async def parameter_of_a_wrong_type(connection: Connection) -> None:
    await connection.execute("select $1::int", MARK)


async def plan_with_a_value_in_it(connection: Connection) -> None:
    await connection.execute("set plan_cache_mode = force_custom_plan")
    await connection.fetch("select number from known_leak where parent = $1", MARK)


BY_THE_SERVER: Final[tuple[Provoke, ...]] = (
    copy_of_a_wrong_value,
    copy_of_a_known_key,
    prepared_statement_that_fails,
    prepared_statement_that_succeeds,
    row_that_breaks_a_check,
    row_without_a_parent,
    text_that_is_no_number,
    literal_in_a_statement,
    statement_with_a_fault,
    plan_with_a_value_in_it,
)
SILENT: Final = {prepared_statement_that_succeeds, plan_with_a_value_in_it}
"""They raise nothing."""


@dataclass(frozen=True)
class Loud:
    """A server that logs all it can, with one service's role."""

    url: str
    log: Path
    secrets: SecretsFolder

    def settings(self) -> ServiceSettings:
        return ServiceSettings(
            database_url=self.url,
            kafka_bootstrap_servers="unused:1",
            secrets=self.secrets.path,
            plan=ROOT / "plan.toml",
        )

    def logged(self, since: int) -> bool:
        """Whether the mark is in what the log got since it was so long."""
        return any(Searcher(MARKS).search([self.log.read_bytes()[since:]]))

    def length(self) -> int:
        return self.log.stat().st_size


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loud]:
    folder = tmp_path_factory.mktemp("loud")
    secrets = SecretsFolder(folder / "secrets")
    secrets.create()
    thread, server = LoopThread(), LocalPostgres(folder / "postgres", settings=LOUD)
    thread.run(server.__aenter__())
    try:
        thread.run(_prepare(server.url, secrets))
        yield Loud(server.url, folder / "postgres" / "logs" / "postgres.log", secrets)
    finally:
        thread.run(server.__aexit__(None, None, None))
        thread.stop()
        remove_data(server.folder)


async def _prepare(url: str, secrets: SecretsFolder) -> None:
    await migrate_database(url, secrets, ROOT / "plan.toml")
    connection = await asyncpg.connect(url)
    await connection.execute(f"{_TABLE}{MARK}')")
    await connection.close()


async def provoked(provoke: Provoke, connection: Connection) -> Exception | None:
    try:
        await provoke(connection)
    except (asyncpg.PostgresError, asyncpg.DataError) as error:
        return error
    return None


@pytest.mark.parametrize("provoke", BY_THE_SERVER)
async def test_a_loud_server_logs_nothing_of_a_service(loud: Loud, provoke: Provoke) -> None:
    administrator = await asyncpg.connect(loud.url, server_settings={"search_path": "registration"})
    since = loud.length()
    await provoked(provoke, administrator)
    await administrator.close()
    assert loud.logged(since), "or this test would prove nothing"
    since = loud.length()
    async with (
        await open_pool(loud.settings(), service="registration") as pool,
        pool.acquire() as connection,
    ):
        error = await provoked(provoke, connection)
    assert (error is None) == (provoke in SILENT)
    assert not loud.logged(since)


async def test_a_loud_server_logs_nothing_of_a_migration_that_fails(
    loud: Loud, tmp_path: Path
) -> None:
    file = tmp_path / "20990101000000_no_number.sql"
    file.write_text(f"-- migrate:up\nselect '{MARK}'::text::int;\n", "utf-8")
    since = loud.length()
    with pytest.raises(MigrationError) as caught:
        await migrate(loud.url, [Schema("odd", (tmp_path,), service=False)], loud.secrets)
    assert MARK not in str(caught.value)
    assert not loud.logged(since)


async def test_what_makes_a_role_loud_again_is_told(loud: Loud) -> None:
    assert warning_of(await loud_services(loud.url, loud.secrets)) is None
    administrator = await asyncpg.connect(loud.url)
    role = "alter role steward_consent in database steward"
    try:
        await administrator.execute(f"{role} set log_statement = 'all'")
        await administrator.execute(f"{role} set auto_explain.log_min_duration = 10")
        found = await loud_services(loud.url, loud.secrets)
    finally:
        await administrator.execute(f"{role} reset all")
        await administrator.close()
    assert found == {"consent": ["log_statement", "auto_explain.log_min_duration"]}
    assert "log_statement is set" in (warning_of(found) or "")


class _Person(BaseModel):
    age: int


async def _errors(connection: Connection) -> AsyncIterator[Exception]:
    for provoke in (*BY_THE_SERVER, parameter_of_a_wrong_type):
        error = await provoked(provoke, connection)
        if error is not None:
            yield error
    for raising in (
        lambda: _Person.model_validate({"age": MARK}),
        lambda: _Person.model_validate_json(f'{{"age": "{MARK}"}}'),
        lambda: _Person.model_validate_json(f'{{"age": {MARK}'),
        lambda: int(MARK),
        lambda: dict[str, int]()[MARK],
        lambda: MARK.encode("utf-16").decode("utf-8"),
    ):
        try:
            raising()
        except (ValidationError, ValueError, KeyError) as error:
            yield error


@pytest.mark.usefixtures("logging_as_it_was")
async def test_no_error_of_a_library_is_quoted_by_a_log_or_a_command(loud: Loud) -> None:
    written = io.StringIO()
    configure_logging("canary", "json", "debug", stream=written)
    log = structlog.get_logger()
    quoting = 0
    async with (
        await open_pool(loud.settings(), service="registration") as pool,
        pool.acquire() as connection,
    ):
        async for error in _errors(connection):
            wrapped = RuntimeError("outer")
            wrapped.__cause__ = error
            group = ExceptionGroup("both", [error, wrapped])
            quoting += MARK in f"{error!r} {error} {getattr(error, 'detail', '')}"
            for one in (error, wrapped, group):
                log.error("failed", exc_info=one, error_value=one)
                assert MARK not in f"{describe(one)}"
                assert MARK not in sentence(one)
    assert quoting > 10, "or this test would prove nothing"
    assert not any(Searcher(MARKS).search([written.getvalue().encode()]))
