"""`steward dead-letters redrive`, of some that are named by their ids."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import orjson
import pytest

from services.cli.dead_letters import app
from shared.contract.inbound import ContactSubmitted
from shared.messaging.service import Service
from tests.consent.answering import EMAIL, NAME, consent
from tests.support.commands import command
from tests.support.facts import NOON, WEBSITE, Facts
from tests.support.records import MadeRecord
from tests.support.taking import processor_of, take
from tests.support.work import Work

BREAK = """
create function consent.refuse() returns trigger language plpgsql as
  $$ begin raise exception 'refused by a test'; end $$;
create trigger refuse before insert on consent_record execute function consent.refuse();
"""
MEND = "drop function consent.refuse cascade"
RAISED = "asyncpg.exceptions.RaiseError, SQLSTATE P0001"


def contact(facts: Facts, number: int) -> MadeRecord:
    data = ContactSubmitted(
        contact_number=f"c-{number}", email=f"{number}.{EMAIL}", name=NAME, consents=(consent(),)
    )
    record = facts.message(data, source=WEBSITE).record
    assert isinstance(record, MadeRecord)
    return replace(record, key=f"c-{number}".encode())


@pytest.fixture
async def failed(service: Service, administrator: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    """Ids of three dead letters; what they failed of is still so."""
    await administrator.execute(BREAK)
    facts = Facts()
    contacts = [contact(facts, number) for number in range(3)]
    await take(service, processor_of(service, now=NOON), contacts, offset=0)
    rows = await administrator.fetch("select id from dead_letter where status = 'dead' order by id")
    assert len(rows) == 3
    return [f"consent:{row['id']}" for row in rows]


async def test_what_fails_again_is_named_and_the_exit_code_says_so(
    work: Work, failed: list[str]
) -> None:
    one, two, _ = failed
    told = await command(app, work.settings, "redrive", one, two)
    assert (told.code, told.out.splitlines()) == (
        1,
        [
            "0 handled, 2 failed again",
            f"{one}: handler_failed: {RAISED}",
            f"{two}: handler_failed: {RAISED}",
        ],
    )
    as_json = await command(app, work.settings, "redrive", "--json", one)
    document = orjson.loads(as_json.out)
    assert (as_json.code, document["handled"]) == (1, 0)
    assert [(again["id"], again["reason"]) for again in document["failed"]] == [
        (one, "handler_failed")
    ]
    assert EMAIL not in told.out + told.err + as_json.out + as_json.err


async def test_once_mended_those_that_are_named_are_handled_and_no_others(
    work: Work, administrator: asyncpg.Connection[asyncpg.Record], failed: list[str]
) -> None:
    await administrator.execute(MEND)
    one, two, three = failed
    told = await command(app, work.settings, "redrive", two)
    assert (told.code, told.out) == (0, "1 handled, 0 failed again\n")
    assert await left(administrator) == [one, three]
    number = one.removeprefix("consent:")
    as_json = await command(app, work.settings, "redrive", number, "--service", "consent", "--json")
    assert (as_json.code, orjson.loads(as_json.out)) == (0, {"handled": 1, "failed": []})
    assert await left(administrator) == [three]
    assert await work.value("select count(*) from consent_record") == 2


async def left(administrator: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    rows = await administrator.fetch("select id from dead_letter order by id")
    return [f"consent:{row['id']}" for row in rows]
