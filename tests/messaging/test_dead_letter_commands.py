"""`steward dead-letters` on the tables of a service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import orjson
import pytest
from typer.testing import CliRunner

from services.cli.dead_letters import app
from tests.conftest import SettingsFactory
from tests.support.messaging import SCHEMA

ROWS = """
truncate dead_letter restart identity; truncate parked_key, outcome_count;
insert into dead_letter (topic, partition, record_offset, status, holds_key, type, type_reference,
  key_reference, reason, detail, sealed, taken_at) values
  ('inbound.contacts', 3, 7, 'dead', true, 'WithdrawalRequested', null, 'k1', 'handler_failed',
   'LookupError', 'canary maija@example.org', now()),
  ('inbound.contacts', 3, 9, 'parked', false, 'WithdrawalRequested', null, 'k1', 'parked',
   'an earlier message of the same key is a dead letter', 'canary', now()),
  ('inbound.contacts', 5, 2, 'dead', false, null, 't', 'k2', 'type_unknown', 'type', 'canary',
   now());
insert into parked_key values ('inbound.contacts', 'k1', now());
insert into outcome_count values ('inbound.contacts', 3, 'dead_letter', 1),
  ('inbound.contacts', 3, 'parked', 1), ('inbound.contacts', 5, 'dead_letter', 1);
"""


@pytest.fixture
def steward(
    database: str, service_settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CliRunner]:
    settings = service_settings(SCHEMA, kafka_bootstrap_servers="127.0.0.1:1")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("STEWARD_SECRETS", str(settings.secrets))
    query(database, ROWS)
    yield CliRunner()
    query(database, "truncate dead_letter, parked_key, outcome_count, outbox")


def query(database: str, statement: str) -> list[asyncpg.Record]:
    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(database, server_settings={"search_path": SCHEMA})
        try:
            if ";" in statement:
                await connection.execute(statement)
                return []
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return asyncio.run(run())


def test_a_list_shows_where_and_why_and_no_content(steward: CliRunner) -> None:
    result = steward.invoke(app, ["list", "--service", SCHEMA, "--json"])
    assert result.exit_code == 0
    shown = [orjson.loads(line) for line in result.stdout.splitlines()]
    assert [(one["id"], one["offset"], one["reason"]) for one in shown] == [
        ("consent:1", 7, "handler_failed"),
        ("consent:2", 9, "parked"),
        ("consent:3", 2, "type_unknown"),
    ]
    assert "canary" not in result.output
    assert "canary" not in steward.invoke(app, ["list"]).output


def test_a_letter_is_shown_without_its_content(steward: CliRunner) -> None:
    result = steward.invoke(app, ["show", "consent:1"])
    assert result.exit_code == 0
    assert "WithdrawalRequested" in result.stdout
    assert "canary" not in result.output


def test_a_letter_that_does_not_exist_is_an_error(steward: CliRunner) -> None:
    result = steward.invoke(app, ["show", "consent:1", "consent:99"])
    assert (result.exit_code, "consent:99" in result.output) == (1, True)


def test_a_discarded_head_is_gone_and_its_followers_wait_on(
    steward: CliRunner, database: str
) -> None:
    result = steward.invoke(app, ["discard", "--yes", "consent:1"])
    assert result.exit_code == 0
    left = query(database, "select id from dead_letter order by id")
    assert [row["id"] for row in left] == [2, 3]
    assert len(query(database, "select from parked_key")) == 1
    result = steward.invoke(app, ["discard", "--yes", "--service", SCHEMA, "2"])
    assert result.exit_code == 0
    assert query(database, "select from parked_key") == []
    counts = query(database, "select outcome, messages from outcome_count where messages <> 0")
    assert {row["outcome"]: row["messages"] for row in counts} == {"dead_letter": 1, "discarded": 2}
    said = [orjson.loads(row["value"]) for row in query(database, "select value from outbox")]
    assert [(one["letter_offset"], one.get("letter_type"), one["reason"]) for one in said] == [
        (7, "WithdrawalRequested", "handler_failed"),
        (9, "WithdrawalRequested", "parked"),
    ]
    assert all(one["actor"].startswith("cli:") and one["service"] == SCHEMA for one in said)


def test_nothing_is_discarded_without_a_yes(steward: CliRunner, database: str) -> None:
    result = steward.invoke(app, ["discard", "consent:1"])
    assert (result.exit_code, "--yes" in result.output) == (2, True)
    assert len(query(database, "select from dead_letter")) == 3


@pytest.mark.parametrize("ids", [[], ["12"], ["nobody:1"], ["consent:x"]])
def test_wrong_ids_are_wrong_arguments(steward: CliRunner, ids: list[str]) -> None:
    for command in ("show", "redrive", "discard"):
        assert steward.invoke(app, [command, *ids]).exit_code == 2
