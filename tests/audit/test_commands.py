"""`steward audit` as an operator meets it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from services.audit.commands import app
from services.audit.domain.notes import parse_verifier_key
from services.audit.settings import Settings
from services.cli import keys, subjects
from shared.contract.audit import (
    DataAccessed,
    DataDisclosed,
    DisclosureDelivered,
    DisclosureRefused,
)
from shared.contract.types import SubjectId
from shared.privacy.subjects import Alias
from shared.runtime.settings import ServiceSettings
from tests.conftest import ROOT, SettingsFactory
from tests.support.commands import NOWHERE, command, environment_of
from tests.support.entries import make_entry
from tests.support.facts import NOON, Facts
from tests.support.log import appending_to
from tests.support.work import NO_KAFKA, Work, at_work

EMAIL = "aino.canary@example.org"


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("audit", kafka_bootstrap_servers=NO_KAFKA)


@pytest.fixture
async def aino(service_settings: SettingsFactory) -> SubjectId:
    """A person whom another service knows by e-mail."""
    return await known_as(EMAIL, service_settings)


async def known_as(address: str, service_settings: SettingsFactory) -> SubjectId:
    consent = service_settings("consent", kafka_bootstrap_servers=NO_KAFKA)
    async with at_work(consent, "consent") as work:
        pool = work.parts.pool
        async with pool.acquire() as connection, connection.transaction():
            (subject,) = await work.parts.privacy.identify(connection, [[Alias("email", address)]])
    return subject


async def append(work: Work, *entries: Any) -> None:  # noqa: ANN401 - entries of any type
    facts = Facts()
    await work.do(appending_to(work), [facts.message(entry) for entry in entries])


def lines(out: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in out.splitlines()]


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
        make_entry(DataDisclosed, recipient="hotel"),
        make_entry(DataDisclosed, subject_id=subject),
        make_entry(DataDisclosed, event_id=event, at=NOON + timedelta(days=2)),
    )

    async def found(*arguments: str) -> list[int]:
        done = await command(app, settings, "replay", *arguments)
        assert done.code == 0, done.err
        return [line["sequence"] for line in lines(done.out)]

    assert await found("--recipient", "hotel") == [0]
    assert await found("--subject", str(subject)) == [1]
    assert await found("--event", str(event)) == [2]
    assert await found("--since", "2026-09-02") == [2]
    assert await found("--until", "2026-09-01") == [0, 1]
    assert await found("--until", "2026-09-01T12:00:00Z") == []
    assert await found("--recipient", "nobody") == []


async def test_a_table_has_its_head_once(work: Work, settings: ServiceSettings) -> None:
    await append(work, make_entry(DataDisclosed, recipient="hotel"))
    done = await command(app, settings, "replay", "--format", "table")
    assert done.out.count("recipient") == 1
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


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def test_an_interrupted_replay_says_how_to_go_on(
    work: Work, settings: ServiceSettings
) -> None:
    await append(work, make_entry(DataDisclosed), make_entry(DataDisclosed))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        "audit",
        "replay",
        "--follow",
        "--format",
        "jsonl",
        cwd=ROOT,
        env={**os.environ, **environment_of(settings)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # Who starts the tests in the background may have had SIGINT ignored, and children inherit.
        preexec_fn=_hear_interrupts,
    )
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
    assert b"go on with --after" in err


async def test_a_persons_history_names_recipient_purpose_basis_fields_and_outcome(
    work: Work, settings: ServiceSettings, aino: SubjectId
) -> None:
    disclosure = uuid4()
    await append(
        work,
        make_entry(DataDisclosed, subject_id=aino, disclosure_id=disclosure),
        make_entry(DisclosureDelivered, disclosure_id=disclosure),
        make_entry(DisclosureRefused, subject_id=aino, recipient="hotel", reason="consent-missing"),
        make_entry(DataAccessed, subject_id=aino, purpose="event-arrangement"),
        make_entry(DataDisclosed),
    )
    for arguments, given in (
        (("about", EMAIL.upper()), None),
        (("about", "-"), f"{EMAIL}\n"),
        (("about", str(aino)), None),
    ):
        done = await command(app, settings, *arguments, given=given)
        assert done.code == 0, done.err
        for said in (
            "Example Catering Ltd",
            "Serving food that the person can eat",
            "third party",
            "explicit consent",
            "Contact information: name",
            "Special diet: special diet",
            "yes, 1\u00a0Sep\u00a02026, 15:00",
            "you had not consented to it",
            "Arranging the event",
            "a member of staff",
        ):
            assert said in done.out
        assert "canary" not in done.out.lower()
        assert "maija" not in done.out, "names of staff are withheld"


async def test_a_history_for_programs(
    work: Work, settings: ServiceSettings, aino: SubjectId
) -> None:
    await append(work, make_entry(DataDisclosed, subject_id=aino))
    done = await command(app, settings, "about", EMAIL, "--json")
    document = orjson.loads(done.out)
    assert UUID(document["subject_id"]) == aino
    (disclosure,) = document["disclosures"]
    assert disclosure["recipient_name"] == "Example Catering Ltd"
    assert disclosure["outcome"] == "not delivered yet"


async def test_who_was_two_subjects_and_is_erased_is_told_of_both_until_it_is_forgotten(
    work: Work, settings: ServiceSettings, service_settings: SettingsFactory, aino: SubjectId
) -> None:
    other = "aino.canary.other@example.org"
    second = await known_as(other, service_settings)
    await append(work, *(make_entry(DataDisclosed, subject_id=one) for one in (aino, second)))
    link = ("link", other, "--to", EMAIL, "--reason", "same-person", "--yes")
    assert (await command(subjects.app, settings, *link)).code == 0
    destroy = ("destroy", "--email", other, "--yes")
    assert (await command(keys.app, settings, *destroy)).code == 0
    for named in (EMAIL, other, str(aino)):
        done = await command(app, settings, "about", named, "--json")
        document = orjson.loads(done.out)
        assert (UUID(document["subject_id"]), document["same_person"]) == (aino, [str(second)])
        assert len(document["disclosures"]) == 2


async def test_whoever_has_no_entry_gets_the_same_answer(
    work: Work, settings: ServiceSettings, aino: SubjectId
) -> None:
    known = await command(app, settings, "about", EMAIL)
    unknown = await command(app, settings, "about", "nobody@example.org")
    no_subject = await command(app, settings, "about", str(uuid4()))
    assert known == unknown == no_subject
    assert (known.code, known.out, known.err) == (1, "", "nothing is recorded\n")


async def test_who_is_not_named_properly_is_a_wrong_argument(settings: ServiceSettings) -> None:
    done = await command(app, settings, "about", "not an address")
    assert done.code == 2
    assert "not an address" not in done.err
    done = await command(app, NOWHERE, "about", "-", given="\n")
    assert done.code == 2


async def test_the_key_is_printed_as_others_take_it(settings: ServiceSettings) -> None:
    done = await command(app, settings, "key")
    key = parse_verifier_key(done.out.strip())
    assert isinstance(settings, Settings)
    assert (done.code, key.name) == (0, settings.audit_origin)


async def test_help_has_an_example() -> None:
    for name in ("replay", "about", "key"):
        done = await command(app, NOWHERE, name, "--help")
        assert (done.code, "Example" in done.out) == (0, True)
