"""`steward audit` as an operator meets it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from aiokafka.errors import KafkaTimeoutError

from services.audit.commands import app
from services.audit.commands.topic_sink import TopicSink
from services.audit.domain.entries import SpoiledEntryError, StoredEntry, entry_bytes
from services.audit.domain.notes import parse_verifier_key
from services.audit.settings import Settings
from services.audit.store.console import Period, disclosures_per_day, disclosures_to
from services.cli import keys, subjects
from shared.contract.audit import (
    DataAccessed,
    DataDisclosed,
    DisclosureDelivered,
    DisclosureRefused,
    DisclosureWithheld,
)
from shared.contract.types import SubjectId
from shared.messaging import producing
from shared.privacy.subjects import Alias
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.support.commands import NOWHERE, command
from tests.support.entries import make_entry
from tests.support.facts import Facts
from tests.support.log import appending_to
from tests.support.work import NO_KAFKA, Work, at_work

EMAIL = "aino.canary@example.org"


@pytest.fixture
async def aino(service_settings: SettingsFactory) -> SubjectId:
    """A person whom another service knows by e-mail."""
    return await known_as(EMAIL, service_settings)


async def known_as(address: str, service_settings: SettingsFactory) -> SubjectId:
    consent = service_settings("consent", kafka_bootstrap_servers=NO_KAFKA)
    async with at_work(consent, "consent") as work:
        pool = work.parts.pool
        async with pool.acquire() as connection, connection.transaction():
            (subject,) = await work.parts.privacy.people.identify(
                connection, [[Alias("email", address)]]
            )
    return subject


async def append(work: Work, *entries: Any) -> None:  # noqa: ANN401 - entries of any type
    facts = Facts()
    await work.do(appending_to(work), [facts.message(entry) for entry in entries])


def lines(out: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in out.splitlines()]


async def test_a_persons_history_names_recipient_purpose_basis_fields_and_outcome(
    work: Work, settings: ServiceSettings, aino: SubjectId
) -> None:
    disclosure = uuid4()
    await append(
        work,
        make_entry(DataDisclosed, subject_id=aino, disclosure_id=disclosure),
        make_entry(DisclosureDelivered, disclosure_id=disclosure),
        make_entry(DisclosureRefused, subject_id=aino, recipient="hotel", reason="consent-missing"),
        make_entry(DataAccessed, subject_id=aino, purpose="event-arrangement", at=utc_now()),
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


async def test_of_several_who_have_an_address_none_is_told_of_another(
    work: Work, settings: ServiceSettings, service_settings: SettingsFactory
) -> None:
    one, other = await two_at_one_address(service_settings)
    await append(work, *(make_entry(DataDisclosed, subject_id=who) for who in (one, other)))
    for arguments in (("about", EMAIL), ("replay", "--email", EMAIL)):
        refused = await command(app, settings, *arguments)
        assert (refused.code, refused.out) == (2, "")
        told = refused.err.replace("\u2502", " ").split()
        assert {str(one), str(other)} <= {word.strip(",") for word in told}
        assert "canary" not in refused.err.lower()
    document = orjson.loads((await command(app, settings, "about", str(other), "--json")).out)
    assert (UUID(document["subject_id"]), document["same_person"]) == (other, [])
    assert len(document["disclosures"]) == 1


async def two_at_one_address(service_settings: SettingsFactory) -> list[SubjectId]:
    consent = service_settings("consent", kafka_bootstrap_servers=NO_KAFKA)
    people = [[Alias("person_number", n, "website"), Alias("email", EMAIL)] for n in "12"]
    async with at_work(consent, "consent") as work, work.parts.pool.acquire() as connection:
        return await work.parts.privacy.people.identify(connection, people)


@pytest.mark.parametrize(
    "asked",
    [
        ("about", EMAIL),
        ("replay", "--format", "table"),
        ("replay", "--dry-run"),
        ("replay", "--dry-run", "--format", "table"),
    ],
)
async def test_an_entry_that_was_changed_is_named_and_what_finds_the_others(
    work: Work, settings: ServiceSettings, database: str, aino: SubjectId, asked: tuple[str, ...]
) -> None:
    await append(work, make_entry(DataDisclosed), make_entry(DataDisclosed, subject_id=aino))
    await change(database, b"{}")
    with pytest.raises(SpoiledEntryError, match="entry 1 is not what was logged"):
        await command(app, settings, *asked)


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"data":{"may_have_reached":"x"}}'])
async def test_nothing_is_counted_over_an_entry_that_was_changed(
    work: Work, settings: ServiceSettings, database: str, body: bytes
) -> None:
    disclosed = make_entry(DataDisclosed)
    named = {name: getattr(disclosed, name) for name in ("disclosure_id", "subject_id")}
    withheld = make_entry(DisclosureWithheld, may_have_reached=False, **named)
    await append(work, disclosed, withheld)
    await change(database, body)
    day = f"{disclosed.at:%Y-%m-%d}"
    asked = ("--recipient", disclosed.recipient, "--since", day, "--until", day)
    with pytest.raises(SpoiledEntryError, match="an entry of the log is not what was logged"):
        await command(app, settings, "breach", *asked)
    recipient = disclosed.recipient
    period = Period(disclosed.at, disclosed.at + timedelta(hours=1), "UTC")
    async with work.parts.pool.acquire() as connection:
        for page in (
            disclosures_per_day(connection, period),
            disclosures_to(connection, recipient, period, before=9, most=9),
        ):
            with pytest.raises(SpoiledEntryError):
                await page


async def change(database: str, body: bytes) -> None:
    """Change the second entry, as only an administrator can."""
    administrator = await asyncpg.connect(database)
    await administrator.execute(
        "set session_replication_role = replica;"
        "alter table audit.entry disable trigger entry_is_append_only"
    )
    await administrator.execute("update audit.entry set body = $1 where sequence = 1", body)
    await administrator.close()


async def test_an_entry_that_was_changed_is_not_published_again() -> None:
    with pytest.raises(SpoiledEntryError, match="entry 7 is not what was logged"):
        await TopicSink(NoProducer(), "replayed").write([StoredEntry(7, b"{}")])


async def test_a_kafka_that_falls_silent_ends_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The producer would try for ever."""

    class Silent(NoProducer):
        async def send(self, *_: object, **__: object) -> asyncio.Future[object]:
            return asyncio.get_running_loop().create_future()

    monkeypatch.setattr(producing, "SILENT_S", 0.01)
    entry = entry_bytes(Facts().message(make_entry(DataDisclosed)))
    with pytest.raises(KafkaTimeoutError):
        await TopicSink(Silent(), "replayed").write([StoredEntry(7, entry)])


class NoProducer:
    """Nothing is sent."""

    async def send(self, *_: object, **__: object) -> asyncio.Future[object]:
        raise AssertionError


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
