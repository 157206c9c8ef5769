"""Lists for those who may have them: `steward registration disclose`, on a real Postgres."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from services.registration.commands.counter import (
    Counter,
    NotDeliveredError,
    Wish,
    hand_over,
    list_events,
)
from services.registration.handlers.consents import keep_consents
from services.registration.handlers.handover import NothingToDiscloseError
from shared.contract.audit import (
    DataDisclosed,
    DataDisclosedToAuthority,
    DisclosureDelivered,
    DisclosureFailed,
    DisclosureRefused,
)
from shared.contract.consent import ConsentWithdrawn
from shared.contract.registration import ParticipantRegistered
from shared.privacy.disclosure import Transaction
from tests.registration.conftest import FORM, NOW, Front, form_field
from tests.registration.handing import (
    DIETS,
    LATER,
    Given,
    say_consent,
    say_objection,
    say_yes_again,
    three_people,
)
from tests.support.facts import Facts


@pytest.fixture
async def given(front: Front, tmp_path: Path) -> Given:
    return await three_people(front, tmp_path / "outgoing")


@pytest.fixture
def counter(given: Given) -> Counter:
    return given.counter()


def interrupted(given: Given, happens: Callable[[], Awaitable[object]]) -> Counter:
    """A counter where this happens between the disclosure and the try."""
    deliveries, tries = given.deliveries(), count(1)

    @asynccontextmanager
    async def begin(*, now: datetime) -> AsyncIterator[Transaction]:
        if next(tries) == 1:
            await happens()
        async with deliveries.begin(now=now) as tx:
            yield tx

    return given.counter(replace(deliveries, begin=begin))


def lines(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_the_caterer_gets_names_and_diets_of_those_who_agreed(
    given: Given, tmp_path: Path
) -> None:
    await say_consent(given)
    path = tmp_path / "list.csv"
    (summary,) = json.loads(await given.hand_over(output=path))["disclosures"]
    disclosed = summary["disclosure"]
    assert lines(path) == [
        ["contact.name", "diet.text", "disclosure"],
        ["'=HYPERLINK(1)", 'Pähkinätön, "vegaani"', disclosed],
        ["Person 2", "no fish", disclosed],
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["list.csv"]
    assert (summary["purpose"], summary["people"]) == ("dietary-needs", 2)
    facts = await given.front.facts()
    entries = [fact for fact in facts if isinstance(fact, DataDisclosed)]
    assert {entry.subject_id for entry in entries} == {
        person.subject_id for person in given.people[:2]
    }
    assert {entry.fields for entry in entries} == {("contact.name", "diet.text")}
    assert {entry.actor.partition(":")[0] for entry in entries} == {"cli"}
    (delivered,) = [fact for fact in facts if isinstance(fact, DisclosureDelivered)]
    assert (delivered.people, delivered.disclosure_id) == (2, entries[0].disclosure_id)


async def test_without_a_place_of_its_own_a_list_goes_into_the_folder(given: Given) -> None:
    await say_consent(given)
    said = json.loads(await given.hand_over())
    (path,) = given.lists()
    assert str(path) == said["output"]
    assert path.name == f"{said['disclosures'][0]['disclosure']}.csv"
    assert path.parent.name == "caterer"
    assert {one.stat().st_mode & 0o777 for one in (path.parent, given.folder)} == {0o700}


async def test_a_withdrawn_consent_is_refused_and_recorded(given: Given, tmp_path: Path) -> None:
    await say_consent(given, withdrawn=0)
    path = tmp_path / "list.csv"
    event = given.people[0].event.event_id
    summary = await given.ask(Wish(str(event), "caterer", path))
    assert [row[0] for row in lines(path)[1:]] == ["Person 2"]
    assert '"consent-missing":1' in summary
    (refused,) = await given.front.said(DisclosureRefused)
    assert refused.subject_id == given.people[0].subject_id


async def test_a_consent_withdrawn_in_the_moment_it_was_given_is_none(
    given: Given, tmp_path: Path
) -> None:
    await say_consent(given, withdrawn=0, at=NOW)
    await say_consent(given)
    await given.hand_over(output=tmp_path / "list.csv")
    assert [row[0] for row in lines(tmp_path / "list.csv")[1:]] == ["Person 2"]


async def test_a_later_yes_releases_nothing_that_was_given_before_a_no(
    given: Given, tmp_path: Path
) -> None:
    await say_consent(given, withdrawn=0, at=LATER)
    front, same = given.front, {"name": "Maija", "email": "p1@example.org", "diet": "no nuts"}
    front.now = LATER + timedelta(hours=1)
    again = front.submitted(
        11, answers=same, event_number="E-2", consents=[DIETS], time=front.now.isoformat()
    )
    await front.take(front.event(event_number="E-2"), again)
    await say_yes_again(given, 0, front.now)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    await given.hand_over(output=first)
    await given.ask(Wish("E-2", "caterer", second))
    assert [row[0] for row in lines(first)[1:]] == ["Person 2"]
    assert [row[0] for row in lines(second)[1:]] == ["Maija"]


async def test_a_consent_that_nobody_confirmed_is_none(given: Given, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    await given.hand_over(output=path)
    assert not path.exists()
    assert len(await given.front.said(DisclosureRefused)) == 2


async def test_who_objected_is_left_out_from_then_on(given: Given, tmp_path: Path) -> None:
    await say_consent(given)
    await say_objection(given, 0)
    await given.hand_over(output=tmp_path / "list.csv")
    assert [row[0] for row in lines(tmp_path / "list.csv")[1:]] == ["Person 2"]
    (refused,) = await given.front.said(DisclosureRefused)
    assert refused.reason == "objected"


async def test_participants_see_what_each_opted_for(given: Given, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    await given.hand_over("participants", path)
    assert [row[:-1] for row in lines(path)] == [["networking.name"], ["'=HYPERLINK(1)"]]


@pytest.mark.parametrize(
    ("said_at", "seen"), [(NOW - timedelta(days=90), True), (NOW, False), (LATER, False)]
)
async def test_who_opts_for_sharing_after_a_no_is_seen_and_after_a_later_no_is_not(
    given: Given, tmp_path: Path, said_at: datetime, seen: bool
) -> None:
    subject_id = given.people[0].subject_id
    gone = ConsentWithdrawn(
        subject_id=subject_id, purpose="networking", at=said_at, plan_digest="0"
    )
    async with given.front.transaction() as tx:
        await keep_consents(tx, [Facts().message(gone)])
    path = tmp_path / "list.csv"
    await given.hand_over("participants", path)
    assert path.exists() == seen


async def test_a_list_that_cannot_be_written_is_recorded_as_failed(
    given: Given, tmp_path: Path
) -> None:
    await say_consent(given)
    with pytest.raises(NotDeliveredError, match=r"No such file.*disclosures resume"):
        await given.hand_over(output=tmp_path / "no" / "list.csv")
    facts = await given.front.facts()
    (failed,) = [fact for fact in facts if isinstance(fact, DisclosureFailed)]
    assert failed.reason == "not-written"
    assert not [fact for fact in facts if isinstance(fact, DisclosureDelivered)]


async def test_a_purpose_of_which_everybody_is_withheld_is_summed_up_as_handed_over_to_nobody(
    front: Front, tmp_path: Path
) -> None:
    form = [form_field("name", "contact.name", "catering", required=True), *FORM[1:]]
    await front.take(
        front.event(form=form),
        front.submitted(1, answers={"diet": "no nuts"}, consents=[DIETS]),
        front.submitted(2),
    )
    given = Given(front, tmp_path / "outgoing", await front.said(ParticipantRegistered))
    await say_consent(given)
    counter = interrupted(given, partial(say_consent, given, withdrawn=0))
    summary = await hand_over(counter, Wish("E-1", "caterer", tmp_path / "list.csv"), as_json=True)
    assert [row[:-1] for row in lines(tmp_path / "list.csv")] == [
        ["contact.name"],
        ["Person 1"],
        ["Person 2"],
    ]
    parts = json.loads(summary)["disclosures"]
    assert {part["purpose"]: (part["people"], part["refused"]) for part in parts} == {
        "dietary-needs": (0, {"consent-missing": 1}),
        "catering": (2, {}),
    }


@pytest.mark.parametrize("made", ["pipe", "link"])
async def test_a_pipe_or_a_link_is_not_replaced_by_a_list(
    given: Given, tmp_path: Path, made: str
) -> None:
    await say_consent(given)
    path = tmp_path / made
    os.mkfifo(path) if made == "pipe" else path.symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(NotDeliveredError, match=r"is no file: name one, or - .*disclosures resume"):
        await given.hand_over(output=path)
    assert not path.is_file()
    assert names(tmp_path) == [made]


async def test_where_the_service_delivers_first_it_is_said_where_the_list_is(given: Given) -> None:
    await say_consent(given)

    async def delivered() -> None:
        given.later()
        assert await given.deliveries().deliver_due() is not None

    counter = interrupted(given, delivered)
    summary = await hand_over(counter, Wish("E-1", "caterer"), as_json=False)
    (path,) = given.lists()
    assert "dietary-needs: 2 people" in summary
    assert summary.endswith(f"STEWARD_OUTGOING_FOLDER/caterer/{path.name}.")


async def test_where_somebody_else_ended_it_first_nothing_is_said_to_be_in_the_file(
    given: Given, tmp_path: Path
) -> None:
    await say_consent(given)

    async def given_up() -> None:
        (row,) = await given.front.rows("select disclosure_id from registration.handover")
        assert await given.deliveries().give_up(row["disclosure_id"]) is not None

    wish = Wish("E-1", "caterer", tmp_path / "list.csv")
    with pytest.raises(NotDeliveredError, match="Nothing was written here"):
        await hand_over(interrupted(given, given_up), wish, as_json=False)
    assert names(tmp_path) == []


async def test_an_authority_gets_what_it_may_have_of_the_one_person_it_asks_about(
    given: Given, tmp_path: Path
) -> None:
    path = tmp_path / "answer.csv"
    wish = Wish("E-1", "police", path, "P2@example.org", "5650/R/1234/26")
    await given.ask(wish)
    header, row = lines(path)
    assert header == ["contact.name", "contact.email", "disclosure"]
    assert row[:2] == ["Person 2", "p2@example.org"]
    facts = await given.front.facts()
    (entry,) = [fact for fact in facts if isinstance(fact, DataDisclosedToAuthority)]
    assert entry.subject_id == given.people[1].subject_id
    assert entry.purpose == "event-arrangement"


async def test_an_authority_is_told_of_one_of_several_who_have_an_address(
    given: Given, tmp_path: Path
) -> None:
    office = "office@example.org"
    await given.front.take(
        *(
            given.front.submitted(number, answers={"email": office}, person_number=f"n{number}")
            for number in (7, 8)
        )
    )
    of_office = (await given.front.said(ParticipantRegistered))[-2:]
    seventh, eighth = [registered.subject_id for registered in of_office]
    assert seventh != eighth
    wish = Wish("E-1", "police", tmp_path / "answer.csv", office, "5650/R/1234/26")
    with pytest.raises(NothingToDiscloseError, match=r"several people.*--subject") as refused:
        await given.ask(wish)
    assert all(str(one) in str(refused.value) for one in (seventh, eighth))
    assert not await given.front.said(DataDisclosedToAuthority)
    with pytest.raises(NothingToDiscloseError, match="Nobody is known"):
        await given.ask(replace(wish, subject=given.people[0].subject_id))
    await given.ask(replace(wish, subject=eighth))
    _, row = lines(tmp_path / "answer.csv")
    assert row[:2] == ["Person 8", office]
    (entry,) = await given.front.said(DataDisclosedToAuthority)
    assert entry.subject_id == eighth


async def test_an_authority_is_told_also_of_who_has_cancelled(given: Given, tmp_path: Path) -> None:
    await given.front.take(given.front.taken_back(2))
    wish = Wish("E-1", "police", tmp_path / "answer.csv", "p2@example.org", "5650/R/1234/26")
    await given.ask(wish)
    _, row = lines(tmp_path / "answer.csv")
    assert row[:2] == ["Person 2", "p2@example.org"]
    # Who comes again is there twice, and told of once: as it stands.
    again = {"name": "Once more", "email": "p2@example.org"}
    await given.front.take(given.front.submitted(9, answers=again))
    await given.ask(replace(wish, output=tmp_path / "again.csv"))
    _, row = lines(tmp_path / "again.csv")
    assert row[:2] == ["Once more", "p2@example.org"]


async def test_of_who_was_never_at_the_event_an_authority_is_told_so(given: Given) -> None:
    await given.front.take(
        given.front.event(event_number="E-2"),
        given.front.submitted(20, event_number="E-2"),
    )
    with pytest.raises(NothingToDiscloseError, match="never registered"):
        await given.ask(Wish("E-1", "police", None, "p20@example.org", "1/26"))


@pytest.mark.parametrize(
    ("authority", "email", "why"),
    [
        ("caterer", "p2@example.org", "no such authority"),
        ("tax-administration", "p2@example.org", "collects nothing"),
        ("police", "nobody@example.org", "Nobody is known"),
    ],
)
async def test_an_authority_that_may_have_nothing_gets_nothing(
    given: Given, authority: str, email: str, why: str
) -> None:
    with pytest.raises(NothingToDiscloseError, match=why):
        await given.ask(Wish("E-1", authority, None, email, "1/26"))
    assert await given.front.facts() == []


@pytest.mark.parametrize(
    ("event", "recipient", "why"),
    [
        ("E-1", "hotel", "does not name hotel"),
        ("E-1", "somebody", "no such recipient"),
        ("E-9", "caterer", "No event has this number"),
    ],
)
async def test_a_list_that_nobody_may_have_is_none(
    given: Given, event: str, recipient: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(NothingToDiscloseError, match=why):
        await given.ask(Wish(event, recipient, tmp_path / "x"))
    assert await given.front.facts() == []
    assert names(tmp_path) == []


async def test_events_are_listed_with_their_counts_and_end_where_they_take_place(
    counter: Counter,
) -> None:
    table = await list_events(counter, as_json=False)
    assert "E-1" in table
    assert "2026-10-01T17:00+03:00" in table
    line = await list_events(counter, as_json=True)
    assert '"registered":3' in line


async def test_the_number_of_an_event_is_listed_whatever_it_is_made_of(
    given: Given, counter: Counter
) -> None:
    number = "E-[b]2[/i]"
    await given.front.take(given.front.event(event_number=number))
    assert number in await list_events(counter, as_json=False)


async def test_an_event_that_was_kept_with_an_end_that_no_clock_has_is_listed(
    given: Given, counter: Counter
) -> None:
    """Upstream systems write the year 9999 where they know none; it is refused since."""
    ends = "9999-12-31T23:30:00Z"
    await given.front.rows(
        "update registration.event set offer = offer || jsonb_build_object('ends_at', $1::text)",
        ends,
    )
    assert "9999-12-31T23:30+00:00" in await list_events(counter, as_json=False)
