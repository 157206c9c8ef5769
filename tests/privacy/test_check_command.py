"""`steward keys check` looks at every column that can hold a sealed value, and opens each value."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from uuid import UUID

import asyncpg
import orjson
import pytest

from services.cli import keys
from services.cli.keys import checking
from services.cli.keys.sealed import NOT_SEALED, SEALED, SealedColumn
from services.cli.schemas import SERVICES
from shared.contract.types import SubjectId
from shared.local.administrator import NotAdministratorError
from shared.privacy import keyring
from shared.privacy.privacy import Privacy
from shared.privacy.values import ToSeal
from shared.runtime.database import without_credentials
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.privacy.conftest import NOW, Connect
from tests.support.commands import Answered, command
from tests.support.work import NO_KAFKA

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

WHO = SubjectId(UUID(int=7))
CONTEXT = "event:a"
RECORDS = {
    column.place for column in SEALED if column.query in ("waiting_messages", "dead_letters")
}
PEOPLE = {column.place for column in SEALED} - RECORDS

_INSERT = {
    "personal_of_registrations": (
        "insert into registration.registration (id, source, reference, subject_id, event_id,"
        " status, version, language, personal, consents, share_fields, registered_at, updated_at)"
        " values (gen_random_uuid(), 'x', sha256($1::text::bytea), $2, gen_random_uuid(),"
        " 'registered', 1, 'fi', jsonb_build_object('contact', $1::text), '{}', '[]', now(), now())"
    ),
    "waiting_messages": (
        "insert into registration.waiting_message (topic, partition, request, source, awaits_event,"
        " sealed, waits_since) values ('t', 0, 'x', 'x', '', $1, now())"
    ),
    "contacts": (
        "insert into consent.contact (subject_id, category, language, sealed, at)"
        " values ($2, 'contact', 'fi', $1, now())"
    ),
    "buyers": (
        "insert into finance.buyer (invoice_id, subject_id, category, context, sealed, as_of)"
        " values (gen_random_uuid(), $2, 'contact', 'x', $1, now())"
    ),
    "handovers": (
        "insert into SCHEMA.handover_value (disclosure_id, subject_id, category, fields, sealed)"
        " values (gen_random_uuid(), $2, 'contact', '{}', $1)"
    ),
    "dead_letters": (
        "insert into SCHEMA.dead_letter (topic, partition, record_offset, status, holds_key,"
        " reason, detail, sealed, taken_at)"
        " select 't', 0, coalesce(max(record_offset), 0) + 1, 'dead', false, 'x', 'x', $1::bytea,"
        " now() from SCHEMA.dead_letter"
    ),
}


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)


@pytest.fixture
async def fill(
    connect: Connect, administrator: Connection, privacy_of: Callable[[str], Privacy]
) -> Callable[[], Awaitable[None]]:
    """Puts a sealed value into each column."""
    await administrator.execute("set session_replication_role = replica")  # rows without relations
    for column in SEALED:
        table = column.name.partition(".")[0]
        await administrator.execute(f"truncate {column.service}.{table} cascade")

    async def make() -> None:
        privacy = privacy_of("registration")
        connection = await connect("registration")
        await privacy.check(connection)
        item = ToSeal(WHO, "contact", CONTEXT, {"name": "x"})
        (value,) = await privacy.seal(connection, [item], at=NOW)
        assert value is not None
        for column in SEALED:
            sealed: bytes = value
            if column.place in RECORDS:
                (sealed,) = await privacy_of(column.service).seal_records(
                    await connect(column.service), NOW.date(), [b"as it came"]
                )
            await insert(administrator, column, sealed)

    return make


async def insert(administrator: Connection, column: SealedColumn, sealed: bytes) -> None:
    statement = _INSERT[column.query].replace("SCHEMA", column.service)
    if column.query == "personal_of_registrations":
        await administrator.execute(statement, base64.b64encode(sealed).decode(), WHO)
    else:
        arguments = (sealed,) if column.place in RECORDS else (sealed, WHO)
        await administrator.execute(statement, *arguments)


async def check(settings: ServiceSettings) -> Answered:
    return await command(keys.app, settings, "check", "--json")


def found(done: Answered) -> dict[str, dict[str, int]]:
    """By column, what came out that is not zero."""
    columns = orjson.loads(done.out)["columns"]
    return {
        place: {
            **{name: column[name] for name in ("opened", "destroyed") if column[name]},
            **column["faults"],
        }
        for place, column in columns.items()
    }


async def test_every_column_of_bytes_or_json_is_known_as_sealed_or_as_not(
    administrator: Connection,
) -> None:
    rows = await administrator.fetch(
        "select n.nspname || '.' || c.relname || '.' || a.attname as place"
        " from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " join pg_namespace n on n.oid = c.relnamespace"
        # A part of a table has what the whole has.
        " where n.nspname = any ($1) and c.relkind in ('r', 'p') and not c.relispartition"
        " and a.attnum > 0 and not a.attisdropped and a.atttypid = any (array["
        "'bytea', 'bytea[]', 'json', 'json[]', 'jsonb', 'jsonb[]']::regtype[])",
        list(SERVICES),
    )
    known = [*(column.place for column in SEALED), *NOT_SEALED]
    assert len(set(known)) == len(known)
    assert {row["place"] for row in rows} ^ set(known) == set()


async def test_what_is_whole_opens_and_what_was_destroyed_counts_as_that(
    settings: ServiceSettings, fill: Callable[[], Awaitable[None]], connect: Connect
) -> None:
    await fill()
    done = await check(settings)
    assert done.code == 0, done.out
    assert orjson.loads(done.out)["whole"]
    assert found(done) == {column.place: {"opened": 1} for column in SEALED}
    retention = await connect("retention")
    await keyring.destroy_keys(retention, [(WHO, "contact", CONTEXT)], cut_off=NOW)
    done = await check(settings)
    assert done.code == 0
    assert found(done) == {
        column.place: {"destroyed" if column.place in PEOPLE else "opened": 1} for column in SEALED
    }
    told = await command(keys.app, settings, "check")
    assert f"the keys of {len(PEOPLE)} are destroyed, 0 cannot be opened" in told.out


@pytest.mark.parametrize(
    ("fault", "damage"),
    [
        ("no_key", "delete from keyring.{} where true"),
        # A byte that is not the one before: a fixed one is there already in one of 256 keys.
        (
            "key_altered",
            "update keyring.{} set wrapped = set_byte(wrapped, 20, 255 - get_byte(wrapped, 20))",
        ),
        ("no_key_encryption_key", "update keyring.{} set kek = 'gone'"),
    ],
)
async def test_a_damaged_ring_is_told_by_column_and_reason(
    settings: ServiceSettings,
    fill: Callable[[], Awaitable[None]],
    administrator: Connection,
    fault: str,
    damage: str,
) -> None:
    await fill()
    for table in ("data_key", "record_key"):
        await administrator.execute(damage.format(table))
    done = await check(settings)
    assert done.code == 1
    assert found(done) == {column.place: {fault: 1} for column in SEALED}


async def test_damaged_values_are_told_among_those_that_open_and_none_is_shown(
    settings: ServiceSettings,
    fill: Callable[[], Awaitable[None]],
    administrator: Connection,
    privacy_of: Callable[[str], Privacy],
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await fill()
    await administrator.execute(
        "update registration.handover_value set sealed = set_byte(sealed, 40, 0) || '\\x00'"
    )
    await administrator.execute("update audit.handover_value set subject_id = gen_random_uuid()")
    await administrator.execute("update consent.contact set sealed = 'canary'")
    (column,) = (column for column in SEALED if column.place == "finance.buyer.sealed")
    (value,) = await privacy_of("registration").seal(
        await connect("registration"), [ToSeal(WHO, "contact", CONTEXT, {})], at=NOW
    )
    for _ in range(9):
        await insert(administrator, column, value or b"")
    key_id = await administrator.fetchval("select key_id from keyring.data_key")
    monkeypatch.setattr(
        checking,
        "SEALED",
        [SealedColumn(c.service, c.name, c.query, c.values, page=4) for c in SEALED],
    )
    done = await command(keys.app, settings, "check")
    assert done.code == 1
    assert f"finance.buyer.sealed{10:>30} open" in done.out
    for place, fault in (
        ("registration.handover_value.sealed", "altered"),
        ("audit.handover_value.sealed", "elsewhere"),
    ):
        assert f"{place}: 1 cannot be opened: {fault}, with the keys {key_id}" in done.out
    assert "consent.contact.sealed: 1 cannot be opened: not_sealed\n" in done.out
    assert "canary" not in done.out + done.err


@pytest.mark.parametrize("personal", ["[]", "null", "7", '{"contact": 7}'])
async def test_what_was_put_in_the_place_of_sealed_values_is_told_and_breaks_nothing_off(
    settings: ServiceSettings,
    fill: Callable[[], Awaitable[None]],
    administrator: Connection,
    personal: str,
) -> None:
    await fill()
    await administrator.execute("update registration.registration set personal = $1", personal)
    done = await check(settings)
    assert done.code == 1
    whole = {column.place: {"opened": 1} for column in SEALED}
    assert found(done) == {**whole, "registration.registration.personal": {"not_sealed": 1}}


async def test_only_the_administrator_may_check(
    settings: ServiceSettings, secrets_folder: SecretsFolder
) -> None:
    password = secrets_folder.database_password("retention")
    _, address = settings.database_url.split("@")
    another = f"postgresql://steward_retention:{password}@{address}"
    with pytest.raises(NotAdministratorError, match="has to sign in as the administrator"):
        await command(keys.app, settings.model_copy(update={"database_url": another}), "check")


async def test_who_names_no_administrator_is_not_told_that_the_database_is_away(
    settings: ServiceSettings,
) -> None:
    """As a command in the container of a service, whose address has neither user nor password."""
    nobodys = settings.model_copy(
        update={"database_url": without_credentials(settings.database_url)}
    )
    with pytest.raises(NotAdministratorError, match="has to sign in as the administrator"):
        await command(keys.app, nobodys, "check")


def test_a_page_of_whole_records_fits_into_memory() -> None:
    assert all(column.page <= 20 for column in SEALED if column.place in RECORDS)
