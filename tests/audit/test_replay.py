"""`steward audit replay` as an operator meets it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from typer.testing import CliRunner

from services.audit.commands import app
from services.audit.commands.sinks import LinesSink
from services.audit.domain.entries import ENTRY_TYPES, StoredEntry
from services.audit.handlers import read
from services.cli import subjects
from shared.assembly import open_parts
from shared.contract.audit import TOPIC as AUDIT
from shared.contract.audit import (
    DataAccessed,
    DataDisclosed,
    DisclosureDelivered,
    DisclosureRefused,
)
from shared.contract.codec import decode
from shared.contract.message import Message
from shared.messaging.service import Service
from shared.messaging.subscription import Subscription
from shared.messaging.unit_of_work import Transaction
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.audit.test_commands import append, known_as, lines
from tests.conftest import ROOT, SettingsFactory, TopicFactory
from tests.support.commands import NOWHERE, command, environment_of, hear_interrupts
from tests.support.entries import make_entry
from tests.support.facts import NOON, Facts
from tests.support.flow import flowing
from tests.support.log import appending_to
from tests.support.records import MadeRecord
from tests.support.work import Work, at_work

EMAIL = "aino.canary@example.org"


async def test_entries_are_printed_as_lines_of_json_in_order(
    work: Work, settings: ServiceSettings
) -> None:
    disclosure = make_entry(DataDisclosed)
    await append(work, disclosure, make_entry(DisclosureDelivered), make_entry(DataDisclosed))
    done = await command(app, settings, "replay")
    assert done.code == 0
    assert [line["sequence"] for line in lines(done.out)] == [0, 1, 2]
    first = lines(done.out)[0]["entry"]
    assert first["type"] == "DataDisclosed"
    assert first["data"] == orjson.loads(disclosure.model_dump_json())


async def test_a_replay_goes_on_after_the_number_that_it_is_given(
    work: Work, settings: ServiceSettings
) -> None:
    await append(work, *(make_entry(DataDisclosed) for _ in range(5)))
    done = await command(app, settings, "replay", "--after", "2")
    assert [line["sequence"] for line in lines(done.out)] == [3, 4]


async def test_filters_of_a_replay(work: Work, settings: ServiceSettings) -> None:
    subject, event = uuid4(), uuid4()
    await append(
        work,
        make_entry(DataDisclosed, recipient="hotel", purpose="transport"),
        make_entry(DataDisclosed, subject_id=subject, actor="cli:matti"),
        make_entry(DataDisclosed, event_id=event, at=NOON + timedelta(days=2)),
        make_entry(DisclosureRefused, categories=["contact"]),
    )

    async def found(*arguments: str) -> list[int]:
        done = await command(app, settings, "replay", *arguments)
        assert done.code == 0, done.err
        return [line["sequence"] for line in lines(done.out)]

    assert await found("--recipient", "hotel") == [0]
    assert await found("--purpose", "transport") == [0]
    assert await found("--subject", str(subject)) == [1]
    assert await found("--actor", "cli:matti") == [1]
    assert await found("--event", str(event)) == [2]
    assert await found("--since", "2026-09-02") == [2]
    assert await found("--until", "2026-09-01") == [0, 1, 3]
    assert await found("--until", "2026-09-01T12:00:00Z") == []
    assert await found("--category", "diet") == [0, 1, 2]
    assert await found("--type", "DisclosureRefused") == [3]
    assert await found("--category", "diet", "--recipient", "caterer", "--after", "1") == [2]
    assert await found("--recipient", "bus-company") == []


async def test_a_name_that_neither_a_plan_nor_the_log_has_is_refused_with_the_nearest(
    work: Work, settings: ServiceSettings
) -> None:
    former = ("--recipient", "former-caterer"), ("--category", "badge"), ("--purpose", "badges")
    entry = make_entry(
        DataDisclosed, recipient="former-caterer", categories=["badge"], purpose="badges"
    )
    await append(work, entry)
    for arguments in former:
        assert (await command(app, settings, "replay", *arguments)).code == 0
    for arguments, said in (
        (("--recipient", "catererr"), "the nearest is caterer"),
        (("--purpose", "marketting"), "the nearest is marketing"),
        (("--category", "diets"), "the nearest is diet"),
        (("--type", "DataDisclose"), "the nearest is DataDisclosed"),
        (("--recipient", EMAIL), "the nearest is"),
    ):
        done = await command(app, settings, "replay", *arguments)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
        assert arguments[0] in done.err
        assert arguments[1] not in done.err.replace(said, "")


async def test_a_person_is_named_by_address_or_id_and_every_subject_of_it_counts(
    work: Work, settings: ServiceSettings, service_settings: SettingsFactory
) -> None:
    other = "aino.canary.other@example.org"
    first, second = [await known_as(one, service_settings) for one in (EMAIL, other)]
    await append(
        work,
        make_entry(DataDisclosed, subject_id=first),
        make_entry(DataDisclosed),
        make_entry(DataDisclosed, subject_id=second),
    )
    link = ("link", other, "--to", EMAIL, "--reason", "same-person", "--yes")
    assert (await command(subjects.app, settings, *link)).code == 0
    for arguments, given in (
        (("--email", EMAIL.upper()), None),
        (("--email", "-"), f"{other}\n"),
        (("--subject", str(first)), None),
        (("--subject", str(second)), None),
    ):
        done = await command(app, settings, "replay", *arguments, given=given)
        assert done.code == 0, done.err
        assert [line["sequence"] for line in lines(done.out)] == [0, 2]
        assert "canary" not in (done.out + done.err).lower()


async def test_of_a_person_readings_are_told_for_their_period_and_what_was_disclosed_for_longer(
    work: Work, settings: ServiceSettings, service_settings: SettingsFactory
) -> None:
    who, now = await known_as(EMAIL, service_settings), utc_now()
    await append(
        work,
        make_entry(DataDisclosed, subject_id=who, at=now - timedelta(days=735)),
        make_entry(DataAccessed, subject_id=who, at=now - timedelta(days=735)),
        make_entry(DataAccessed, subject_id=who, at=now - timedelta(days=725)),
    )
    for named in (("--email", EMAIL), ("--subject", str(who))):
        done = await command(app, settings, "replay", *named)
        assert [line["sequence"] for line in lines(done.out)] == [0, 2]
    told = orjson.loads((await command(app, settings, "about", EMAIL, "--json")).out)
    assert [one["sequence"] for one in told["disclosures"]] == [0]
    assert [one["sequence"] for one in told["accesses"]] == [2]
    everyone = await command(app, settings, "replay")
    assert len(lines(everyone.out)) == 3, "the log itself stays whole"


@pytest.mark.parametrize("more", [("--dry-run",), ("--follow", "--since", "2026-01-01")])
async def test_whoever_has_no_entry_gets_the_same_answer_known_or_not(
    work: Work,
    settings: ServiceSettings,
    service_settings: SettingsFactory,
    more: tuple[str, ...],
) -> None:
    await known_as(EMAIL, service_settings)
    await append(work, make_entry(DataDisclosed))
    answers = [
        await command(app, settings, "replay", *who, *more)
        for who in (
            ("--email", EMAIL),
            ("--email", "nobody@example.org"),
            ("--subject", str(uuid4())),
        )
    ]
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0].code, answers[0].out, answers[0].err) == (1, "", "nothing is recorded\n")


async def test_who_is_not_named_properly_is_a_wrong_argument(settings: ServiceSettings) -> None:
    done = await command(app, settings, "replay", "--email", "not an address")
    assert done.code == 2
    assert "not an address" not in done.err
    both = ("--email", EMAIL, "--subject", str(uuid4()))
    assert (await command(app, NOWHERE, "replay", *both)).code == 2
    assert (await command(app, NOWHERE, "replay", "--email", "-", given="\n")).code == 2


async def test_cloud_events_are_what_was_published(work: Work, settings: ServiceSettings) -> None:
    """Any reader of CloudEvents in structured mode has of a line what it had of the record."""
    entries = [make_entry(DataDisclosed), make_entry(DisclosureDelivered)]
    await append(work, *entries)
    done = await command(app, settings, "replay", "--format", "cloudevents")
    stored = await work.rows("select id, body from entry order by sequence")
    structured = ("content-type", b"application/cloudevents+json")
    for line, row, entry in zip(done.out.encode().splitlines(), stored, entries, strict=True):
        assert line == row["body"]
        message = decode(MadeRecord(line, (structured,), topic="audit"))
        assert isinstance(message, Message)
        assert (message.envelope.id, message.data) == (str(row["id"]), entry)
        assert message.envelope.time == NOON


async def test_a_dry_run_counts_and_touches_nothing(work: Work, settings: ServiceSettings) -> None:
    await append(
        work,
        make_entry(DisclosureDelivered),
        make_entry(DataDisclosed),
        make_entry(DisclosureRefused, recipient="hotel"),
        make_entry(DataDisclosed, at=NOON + timedelta(days=2)),
        make_entry(DataDisclosed, recipient="hotel"),
    )
    # There is no Kafka here.
    asked = ("replay", "--recipient", "caterer", "--to-topic", "elsewhere", "--dry-run")
    done = await command(app, settings, *asked)
    assert done.code == 0, done.err
    assert orjson.loads(done.out) == {
        "matching": 3,
        "by_type": {"DataDisclosed": 2, "DisclosureDelivered": 1},
        "first": {"sequence": 0, "at": "2026-09-01T12:00:00Z"},
        "last": {"sequence": 3, "at": "2026-09-03T12:00:00Z"},
    }
    done = await command(app, settings, *asked, "--after", "0", "--format", "table")
    for said in (
        "2 entries match",
        "DataDisclosed",
        "first: entry 1,",
        "last: entry 3, 2026-09-03",
    ):
        assert said in done.out
    done = await command(app, settings, "replay", "--recipient", "bus-company", "--dry-run")
    assert (done.code, orjson.loads(done.out)) == (0, {"matching": 0, "by_type": {}})


async def test_a_table_has_its_head_once_which_says_by_which_clock(
    work: Work, settings: ServiceSettings
) -> None:
    await append(work, make_entry(DataDisclosed, recipient="hotel"))
    done = await command(app, settings, "replay", "--format", "table")
    assert done.out.count("recipient") == 1
    assert "at (UTC)" in done.out
    assert "hotel" in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--since", "yesterday"),
        ("--subject", "aino"),
        ("--after", "-1"),
        ("--format", "xml"),
        ("--nonsense",),
    ],
)
async def test_wrong_arguments_exit_with_2_and_say_which(arguments: tuple[str, ...]) -> None:
    done = await command(app, NOWHERE, "replay", *arguments)
    assert done.code == 2
    assert arguments[0] in done.err


async def following(settings: ServiceSettings, *arguments: str) -> asyncio.subprocess.Process:
    """A replay that goes on with what comes, until Ctrl-C."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        "audit",
        "replay",
        "--follow",
        "--format",
        "jsonl",
        *arguments,
        cwd=ROOT,
        env={**os.environ, **environment_of(settings)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=hear_interrupts,
    )


async def test_an_interrupted_replay_says_how_to_go_on_and_does(
    work: Work, settings: ServiceSettings
) -> None:
    await append(work, make_entry(DataDisclosed), make_entry(DataDisclosed))
    process = await following(settings)
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(60):
        first = [orjson.loads(await process.stdout.readline()) for _ in range(2)]
        await append(work, make_entry(DataDisclosed))
        followed = orjson.loads(await process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert [line["sequence"] for line in (*first, followed)] == [0, 1, 2]
    assert process.returncode == 130
    assert err.strip() == b"interrupted: up to entry 2; go on with --after 2"
    await append(work, make_entry(DataDisclosed))
    done = await command(app, settings, "replay", *err.decode().split()[-2:])
    assert [line["sequence"] for line in lines(done.out)] == [3]


async def test_a_replay_of_a_person_goes_on_where_it_was_interrupted_though_nothing_came_since(
    work: Work, settings: ServiceSettings
) -> None:
    subject, nobody = uuid4(), uuid4()
    await append(work, make_entry(DataDisclosed, subject_id=subject), make_entry(DataDisclosed))
    again = ("replay", "--subject", str(subject), "--after", "1")
    done = await command(app, settings, *again)
    assert (done.code, done.out, done.err) == (0, "", "")
    counted = await command(app, settings, *again, "--dry-run")
    assert (counted.code, orjson.loads(counted.out)) == (0, {"matching": 0, "by_type": {}})
    none = await command(app, settings, "replay", "--subject", str(nobody), "--after", "1")
    assert (none.code, none.err) == (1, "nothing is recorded\n")
    process = await following(settings, *again[1:])
    assert process.stdout is not None
    async with asyncio.timeout(60):
        await append(work, make_entry(DataDisclosed, subject_id=subject))
        followed = orjson.loads(await process.stdout.readline())
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert (followed["sequence"], process.returncode) == (2, 130)


async def test_a_replay_that_fails_says_how_to_go_on_too(
    work: Work, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "PAGE_SIZE", 2)
    await append(work, *(make_entry(DataDisclosed) for _ in range(5)))

    async def fail_later(_: LinesSink, entries: Sequence[StoredEntry]) -> None:
        if entries[-1].sequence > 2:
            raise ConnectionError

    monkeypatch.setattr(LinesSink, "write", fail_later)
    arguments, environment = ["replay", "--format", "jsonl"], environment_of(settings)
    failed = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=environment)
    assert isinstance(failed.exception, ConnectionError)
    assert failed.stderr == "stopped: up to entry 1; go on with --after 1\n"


@asynccontextmanager
async def a_reader(settings: ServiceSettings) -> AsyncIterator[Service]:
    """A service that hears entries as any hears facts: its inbox is asked whether it has them."""

    async def hear(_: Transaction, __: Sequence[Message[Any]]) -> None:
        return

    async with open_parts(settings, service="consent") as parts:
        hears = Subscription(AUDIT, dict.fromkeys(ENTRY_TYPES, hear))
        yield parts.service(settings, [hears])


async def test_a_consumers_inbox_absorbs_what_it_has_of_a_replay(
    service_settings: SettingsFactory, topic_factory: TopicFactory
) -> None:
    facts, settings = Facts(), service_settings("audit")
    messages = [
        facts.message(make_entry(kind)) for kind in (DataDisclosed, DisclosureDelivered) * 9
    ]
    async with at_work(settings, "audit") as work:
        await work.do(appending_to(work), messages)
    async with flowing(a_reader, service_settings("consent"), topic_factory) as flow:
        await flow.send(AUDIT, [message.record for message in messages[:10]])
        replay = ("replay", "--to-topic", flow.topics[AUDIT])
        for more, accepted, duplicate in (
            (("--type", "DataDisclosed"), 14, 5),
            ((), 18, 19),
            (("--after", "13"), 18, 23),
        ):
            done = await command(app, settings, *replay, *more)
            assert done.code == 0, done.err
            await flow.until("select sum(messages)::int from outcome_count", accepted + duplicate)
            assert await flow.outcomes() == {
                (AUDIT, "accepted"): accepted,
                (AUDIT, "duplicate"): duplicate,
            }
