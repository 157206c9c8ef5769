"""`steward dead-letters` on the tables of a service."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import asyncpg
import orjson
import pytest
import typer
from typer.testing import CliRunner

from services.cli import dead_letters
from services.cli.dead_letters import app, discard
from shared.messaging import dead_letters as messaging
from tests.conftest import SettingsFactory
from tests.support.messaging import SCHEMA
from tests.support.terminal import Terminal

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


@pytest.mark.parametrize("command", [["list"], ["show", "consent:3"]])
def test_a_form_that_was_not_kept_is_told_to_the_letter(
    steward: CliRunner, database: str, command: list[str]
) -> None:
    """As `[a-z]` says something to whoever prints in colours."""
    said = "unit must have the form ^[a-z][a-z0-9-]*$"
    query(database, f"update dead_letter set detail = '{said}' where id = 3;")  # noqa: S608
    result = steward.invoke(app, command, env={"COLUMNS": "200"})
    assert said in result.stdout


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
    assert left(database) == [2, 3]
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


def left(database: str) -> list[int]:
    return [row["id"] for row in query(database, "select id from dead_letter order by id")]


@pytest.mark.parametrize(
    ("narrower", "remain"),
    [
        ([], [2]),
        (["--service", SCHEMA, "--reason", "type_unknown"], [1, 2]),
        (["--topic", "inbound.contacts", "--reason", "handler_failed"], [2, 3]),
        (["--topic", "inbound.finance"], [1, 2, 3]),
    ],
)
def test_all_that_failed_is_discarded_at_once_and_what_waits_behind_it_waits_on(
    steward: CliRunner, database: str, narrower: list[str], remain: list[int]
) -> None:
    result = steward.invoke(app, ["discard", "--all", "--yes", "--service", SCHEMA, *narrower])
    assert (result.exit_code, result.stdout) == (0, f"{3 - len(remain)} discarded\n")
    assert left(database) == remain
    assert len(query(database, "select from outbox")) == 3 - len(remain)


def test_more_than_one_transaction_takes_are_discarded_too(
    steward: CliRunner, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messaging, "DISCARDED_AT_ONCE", 2)
    ids = [f"consent:{number}" for number in (3, 1, 2)]
    result = steward.invoke(app, ["discard", "--yes", *ids])
    assert (result.exit_code, result.stdout) == (0, "3 discarded\n")
    assert (left(database), query(database, "select from parked_key")) == ([], [])
    counts = query(database, "select outcome, messages from outcome_count where messages <> 0")
    assert sum(row["messages"] for row in counts if row["outcome"] == "discarded") == 3
    assert {row["outcome"] for row in counts} == {"discarded"}


def test_before_all_is_discarded_it_asks_with_the_number(
    steward: CliRunner,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("n\ny\n"))
    with pytest.raises(typer.Abort):
        discard(everything=True, service=SCHEMA)
    assert "Discard 2 for good?" in capsys.readouterr().out
    assert left(database) == [1, 2, 3]
    with pytest.raises(typer.Exit) as exit_:
        discard(everything=True, service=SCHEMA)
    assert (exit_.value.exit_code, left(database)) == (0, [2])
    # Nothing is left to ask about.
    assert steward.invoke(app, ["discard", "--all", "--service", SCHEMA]).stdout == "0 discarded\n"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["discard", "--all", "consent:1"], "not both"),
        (["redrive", "--all", "consent:1"], "not both"),
        (["discard", "--reason", "type_unknown", "consent:1"], "--all"),
        (["discard", "--topic", "inbound.contacts", "consent:1"], "--all"),
        (["discard", "--all", "--reason", "typo"], "type_unknown"),
        (["discard", "--all", "--reason", "parked"], "type_unknown"),
        (["list", "--reason", "typo"], "type_unknown"),
        (["list", "--topic", "inbound.contact"], "inbound.contacts"),
        (["discard", "--all", "--topic", "inbound.contact"], "inbound.contacts"),
    ],
)
def test_what_is_meant_is_named_in_one_way(
    steward: CliRunner, database: str, arguments: list[str], advice: str
) -> None:
    result = steward.invoke(app, [*arguments, *(["--yes"] if "discard" in arguments else [])])
    assert result.exit_code == 2
    assert advice in result.output
    assert left(database) == [1, 2, 3]


def test_a_list_has_only_what_is_of_a_reason(steward: CliRunner) -> None:
    for reason, ids in {"type_unknown": ["consent:3"], "parked": ["consent:2"]}.items():
        result = steward.invoke(app, ["list", "--service", SCHEMA, "--reason", reason, "--json"])
        assert [orjson.loads(line)["id"] for line in result.stdout.splitlines()] == ids


def test_a_list_that_is_cut_says_so_and_discarding_all_takes_all(
    steward: CliRunner, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "_MOST", 1)
    result = steward.invoke(app, ["list", "--service", SCHEMA, "--json"])
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert "only the oldest 1 of consent" in result.stderr
    whole = steward.invoke(app, ["list", "--service", SCHEMA, "--reason", "type_unknown"])
    assert whole.stderr == ""
    assert steward.invoke(app, ["discard", "--all", "--yes", "--service", SCHEMA]).exit_code == 0
    assert left(database) == [2]


@pytest.mark.parametrize("ids", [[], ["12"], ["nobody:1"], ["consent:x"]])
def test_wrong_ids_are_wrong_arguments(steward: CliRunner, ids: list[str]) -> None:
    for command in ("show", "redrive", "discard"):
        assert steward.invoke(app, [command, *ids]).exit_code == 2
