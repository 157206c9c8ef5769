"""Migration is safe to repeat, refuses what it must, and leaves each role its own schema only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from shared.runtime.migrate import migrate
from shared.runtime.migration_files import MigrationError, Schema
from shared.runtime.roles import verifies
from shared.runtime.secrets import SecretsFolder

FIRST = "20260101000000_first.sql"
SECOND = "20260101000001_second.sql"
CANARY = "canary-Maija-4711"


def write(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, statements in files.items():
        (folder / f"{name}.sql").write_text(f"-- migrate:up\n{statements}\n", "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "migrations"
    write(made, **{FIRST[:-4]: "create table thing (id int primary key);"})
    return made


def schemas(*folders: Path) -> list[Schema]:
    return [Schema("alpha", folders), Schema("beta", folders), Schema("keys", folders, False)]


async def rows(url: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_migrating_twice_runs_each_file_once(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    first = await migrate(empty_database, schemas(folder), secrets_folder)
    assert [(file.schema, file.name) for file in first] == [
        ("alpha", FIRST),
        ("beta", FIRST),
        ("keys", FIRST),
    ]
    assert await migrate(empty_database, schemas(folder), secrets_folder) == ()


async def test_everything_made_belongs_to_an_owner_who_cannot_sign_in(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    await migrate(empty_database, schemas(folder), secrets_folder)
    owners = await rows(empty_database, "select distinct tableowner from pg_tables"
                        " where schemaname in ('alpha', 'beta', 'keys', 'steward')")  # fmt: skip
    assert owners == [("steward_owner",)]
    assert await rows(
        empty_database, "select rolcanlogin, rolsuper from pg_roles where rolname = 'steward_owner'"
    ) == [(False, False)]


async def test_a_function_is_callable_by_nobody_whom_its_migration_does_not_name(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    body = "returns int language sql begin atomic select 1; end;"
    write(
        folder,
        **{
            SECOND[:-4]: f"create function secret() {body} create function given() {body}"
            " grant execute on function given to steward_beta;"
        },
    )
    await migrate(empty_database, schemas(folder), secrets_folder)
    allowed = await rows(
        empty_database,
        "select distinct p.proname::text, r.rolname::text from pg_proc p, pg_roles r"
        " where p.proname in ('secret', 'given') and r.rolname in ('steward_alpha', 'steward_beta')"
        " and has_function_privilege(r.oid, p.oid, 'execute')",
    )
    assert allowed == [("given", "steward_beta")]


async def test_a_repeat_after_a_failure_goes_on_where_it_failed(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    write(folder, **{SECOND[:-4]: "create table half (id int); create tabel typo (id int);"})
    with pytest.raises(MigrationError, match=f"alpha: {SECOND}: .*syntax error"):
        await migrate(empty_database, schemas(folder), secrets_folder)
    assert await rows(empty_database, "select to_regclass('alpha.thing')::text") == [
        ("alpha.thing",)
    ]
    assert await rows(empty_database, "select to_regclass('alpha.half')::text") == [(None,)]
    # A file that did not run may be corrected.
    write(folder, **{SECOND[:-4]: "create table half (id int);"})
    ran = await migrate(empty_database, schemas(folder), secrets_folder)
    assert [(file.schema, file.name) for file in ran] == [
        ("alpha", SECOND),
        ("beta", FIRST),
        ("beta", SECOND),
        ("keys", FIRST),
        ("keys", SECOND),
    ]


async def test_a_file_that_was_changed_after_it_ran_is_refused_by_name(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    await migrate(empty_database, schemas(folder), secrets_folder)
    write(folder, **{FIRST[:-4]: "create table thing (id bigint primary key);"})
    write(folder, **{SECOND[:-4]: "create table other (id int);"})
    with pytest.raises(MigrationError, match=f"alpha: {FIRST} was changed"):
        await migrate(empty_database, schemas(folder), secrets_folder)
    assert await rows(empty_database, "select to_regclass('alpha.other')::text") == [(None,)]


async def test_a_database_of_a_newer_version_is_refused(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    write(folder, **{SECOND[:-4]: "create table other (id int);"})
    await migrate(empty_database, schemas(folder), secrets_folder)
    (folder / SECOND).unlink()
    with pytest.raises(MigrationError, match=f"{SECOND} ran here and is not in this version"):
        await migrate(empty_database, schemas(folder), secrets_folder)


async def test_somebody_elses_database_is_refused_and_left_alone(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    await execute(
        empty_database,
        "create table customer (name text);create schema shop; create schema steward",
    )
    before = await rows(empty_database, "select nspname from pg_namespace order by 1")
    with pytest.raises(MigrationError) as caught:
        await migrate(empty_database, schemas(folder), secrets_folder)
    text = str(caught.value)
    assert "not empty and not Steward's" in text
    assert "public (1 tables and views), shop (0 tables and views)" in text
    assert "customer" not in text
    assert await rows(empty_database, "select nspname from pg_namespace order by 1") == before


async def test_an_extension_does_not_make_a_database_somebody_elses(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    await execute(empty_database, "create extension pg_stat_statements")
    assert await migrate(empty_database, schemas(folder), secrets_folder)


async def test_an_administrator_with_too_few_rights_is_told(
    empty_database: str, database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    password = secrets_folder.database_password("audit")
    address = empty_database.partition("@")[2]
    with pytest.raises(MigrationError, match="steward_audit, who is no superuser"):
        await migrate(
            f"postgresql://steward_audit:{password}@{address}", schemas(folder), secrets_folder
        )


async def test_data_that_a_migration_meets_is_not_quoted(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    write(folder, **{SECOND[:-4]: f"insert into thing select '{CANARY}'::text::int;"})
    with pytest.raises(MigrationError, match="22P02") as caught:
        await migrate(empty_database, schemas(folder), secrets_folder)
    assert CANARY not in str(caught.value)
    assert SECOND in str(caught.value)


async def test_two_migrations_at_once_take_turns(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    ran = await asyncio.gather(
        *(migrate(empty_database, schemas(folder), secrets_folder) for _ in range(3))
    )
    assert sorted(len(files) for files in ran) == [0, 0, 3]


async def test_a_password_that_was_lost_is_replaced(
    empty_database: str, tmp_path: Path, folder: Path
) -> None:
    # Roles belong to the server: these names belong to this test.
    secrets = SecretsFolder(tmp_path / "secrets")
    secrets.create()
    wanted = [Schema("gamma", (folder,))]
    await migrate(empty_database, wanted, secrets)
    (secrets.path / "database" / "gamma").unlink()
    await migrate(empty_database, wanted, secrets)
    address = empty_database.partition("@")[2]
    password = secrets.database_password("gamma")
    assert await rows(f"postgresql://steward_gamma:{password}@{address}", "select 1") == [(1,)]


async def test_a_password_that_is_right_is_left_alone(
    empty_database: str, secrets_folder: SecretsFolder, folder: Path
) -> None:
    query = "select rolpassword from pg_authid where rolname = 'steward_alpha'"
    await migrate(empty_database, schemas(folder), secrets_folder)
    before = await rows(empty_database, query)
    await migrate(empty_database, schemas(folder), secrets_folder)
    assert await rows(empty_database, query) == before
    verifier = before[0][0]
    assert isinstance(verifier, str)
    assert verifies(verifier, secrets_folder.database_password("alpha"))
    assert not verifies(verifier, "another")
    assert not verifies(None, "another")
    assert not verifies("md5abc", "another")


@pytest.mark.parametrize(
    ("files", "finding"),
    [
        ({"2026_short": "-- migrate:up"}, "name it YYYYMMDDHHMMSS"),
        ({"20260101000000_a": "create table a ();"}, "needs a line `-- migrate:up`"),
        (
            {"20260101000000_a": "-- migrate:up\n-- migrate:down\ndrop table a;"},
            "migrations only go forward",
        ),
    ],
)
async def test_a_folder_with_faults_is_refused_before_anything_is_connected(
    tmp_path: Path, secrets_folder: SecretsFolder, files: Mapping[str, str], finding: str
) -> None:
    for name, text in files.items():
        (tmp_path / f"{name}.sql").write_text(text, "utf-8")
    with pytest.raises(MigrationError, match=finding):
        await migrate("postgresql://nowhere/x", [Schema("alpha", (tmp_path,))], secrets_folder)


async def test_two_folders_with_the_same_version_are_refused(
    tmp_path: Path, folder: Path, secrets_folder: SecretsFolder
) -> None:
    write(tmp_path / "more", **{f"{FIRST[:14]}_else": "select 1;"})
    with pytest.raises(MigrationError, match="have the same version") as caught:
        await migrate("postgresql://nowhere/x", schemas(folder, tmp_path / "more"), secrets_folder)
    assert "first.sql" in str(caught.value)
    assert "else.sql" in str(caught.value)


@pytest.mark.parametrize("name", ["public", "steward", "Alpha", "a-b", "", "a;drop"])
def test_a_schema_has_a_plain_name_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        Schema(name, ())


async def test_the_shipped_migrations_run_twice(
    database: str, secrets_folder: SecretsFolder
) -> None:
    from services.cli.schemas import schemas as shipped

    assert await migrate(database, shipped(), secrets_folder) == ()
