"""Lists for those who may have them: `steward registration disclose`, on a real Postgres."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from services.registration.commands.counter import Counter, hand_over, list_events, republish_all
from services.registration.handlers.consents import keep_consents
from services.registration.handlers.handover import NothingToDiscloseError
from shared.contract.audit import (
    DataDisclosed,
    DisclosureDelivered,
    DisclosureFailed,
    DisclosureRefused,
)
from shared.contract.consent import ConsentGiven, ConsentWithdrawn
from shared.contract.message import Envelope, Message
from shared.contract.registration import (
    EventOpened,
    ParticipantRegistered,
    RegistrationCancelled,
    RegistrationWaitlisted,
)
from shared.contract.retention import ObjectionRecorded
from shared.privacy.limits import record_limits
from tests.registration.conftest import NOW, Front, consent
from tests.support.records import MadeRecord

DIETS = consent("dietary-needs")
LATER = NOW.replace(hour=13)


@dataclass
class Given:
    front: Front
    counter: Counter
    people: list[ParticipantRegistered]


@pytest.fixture
async def given(front: Front) -> Given:
    """Three people at an event: two with a diet, one of them with a formula for a name."""
    await front.take(
        front.event(),
        front.submitted(
            1,
            answers={"name": "=HYPERLINK(1)", "diet": 'Pähkinätön, "vegaani"'},
            consents=[DIETS],
            share_with_participants=["networking.name"],
        ),
        front.submitted(2, answers={"diet": "no fish"}, consents=[DIETS]),
        front.submitted(3),
    )
    people = await front.said(ParticipantRegistered)
    return Given(front, Counter(front.desk, front.pool), people)


async def say_consent(given: Given, *, withdrawn: int | None = None, at: datetime = LATER) -> None:
    """The consent service says what people answered; and that one of them took it back."""
    messages: list[Message[ConsentGiven | ConsentWithdrawn]] = []
    for person in given.people[:2]:
        base = {"subject_id": person.subject_id, "purpose": "dietary-needs", "plan_digest": "0"}
        fact = ConsentGiven.model_validate(
            {
                **base,
                "at": NOW,
                "wording": "dietary-needs-2026",
                "language": "en",
                "collected_by": "registration",
                "source": "event-forms",
            }
        )
        messages.append(Message(MadeRecord(b""), Envelope("1", "/steward/consent", "", 1), fact))
    if withdrawn is not None:
        gone = ConsentWithdrawn.model_validate(
            {
                "subject_id": given.people[withdrawn].subject_id,
                "purpose": "dietary-needs",
                "plan_digest": "0",
                "at": at,
            }
        )
        messages.insert(0, Message(MadeRecord(b""), Envelope("2", "/steward/consent", "", 1), gone))
    async with given.front.transaction() as tx:
        await keep_consents(tx, messages)


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
    summary = await hand_over(given.counter, "E-1", "caterer", path, as_json=False)
    assert lines(path) == [
        ["contact.name", "diet.text"],
        ["'=HYPERLINK(1)", 'Pähkinätön, "vegaani"'],
        ["Person 2", "no fish"],
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["list.csv"]
    assert "dietary-needs: 2 people" in summary
    facts = await given.front.facts()
    entries = [fact for fact in facts if isinstance(fact, DataDisclosed)]
    assert {entry.subject_id for entry in entries} == {
        person.subject_id for person in given.people[:2]
    }
    assert {entry.fields for entry in entries} == {("contact.name", "diet.text")}
    assert {entry.actor.partition(":")[0] for entry in entries} == {"cli"}
    (delivered,) = [fact for fact in facts if isinstance(fact, DisclosureDelivered)]
    assert (delivered.people, delivered.disclosure_id) == (2, entries[0].disclosure_id)


async def test_a_withdrawn_consent_is_refused_and_recorded(given: Given, tmp_path: Path) -> None:
    await say_consent(given, withdrawn=0)
    path = tmp_path / "list.csv"
    event = given.people[0].event.event_id
    summary = await hand_over(given.counter, str(event), "caterer", path, as_json=True)
    assert [row[0] for row in lines(path)[1:]] == ["Person 2"]
    assert '"consent-missing":1' in summary
    (refused,) = await given.front.said(DisclosureRefused)
    assert refused.subject_id == given.people[0].subject_id


async def test_a_consent_withdrawn_in_the_moment_it_was_given_is_none(
    given: Given, tmp_path: Path
) -> None:
    await say_consent(given, withdrawn=0, at=NOW)
    await say_consent(given)
    await hand_over(given.counter, "E-1", "caterer", tmp_path / "list.csv", as_json=False)
    assert [row[0] for row in lines(tmp_path / "list.csv")[1:]] == ["Person 2"]


async def test_a_consent_that_nobody_confirmed_is_none(given: Given, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    await hand_over(given.counter, "E-1", "caterer", path, as_json=False)
    assert not path.exists()
    assert len(await given.front.said(DisclosureRefused)) == 2


async def test_who_objected_is_left_out_from_then_on(given: Given, tmp_path: Path) -> None:
    await say_consent(given)
    objection = ObjectionRecorded(
        subject_id=given.people[0].subject_id, purpose="dietary-needs", at=NOW
    )
    heard = Message(MadeRecord(b""), Envelope("3", "/steward/retention", "", 1), objection)
    async with given.front.transaction() as tx:
        await record_limits(tx, [heard])
    await hand_over(given.counter, "E-1", "caterer", tmp_path / "list.csv", as_json=False)
    assert [row[0] for row in lines(tmp_path / "list.csv")[1:]] == ["Person 2"]
    (refused,) = await given.front.said(DisclosureRefused)
    assert refused.reason == "objected"


async def test_participants_see_what_each_opted_for(given: Given, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    await hand_over(given.counter, "E-1", "participants", path, as_json=False)
    assert lines(path) == [["networking.name"], ["'=HYPERLINK(1)"]]


async def test_a_list_that_cannot_be_written_is_recorded_as_failed(
    given: Given, tmp_path: Path
) -> None:
    await say_consent(given)
    with pytest.raises(OSError, match="No such file"):
        await hand_over(
            given.counter, "E-1", "caterer", tmp_path / "no" / "list.csv", as_json=False
        )
    facts = await given.front.facts()
    (failed,) = [fact for fact in facts if isinstance(fact, DisclosureFailed)]
    assert failed.reason == "not-written"
    assert not [fact for fact in facts if isinstance(fact, DisclosureDelivered)]


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
        await hand_over(given.counter, event, recipient, tmp_path / "x", as_json=False)
    assert await given.front.facts() == []
    assert names(tmp_path) == []


async def test_events_are_listed_with_their_counts(given: Given) -> None:
    table = await list_events(given.counter, as_json=False)
    assert "E-1" in table
    line = await list_events(given.counter, as_json=True)
    assert '"registered":3' in line


async def test_everything_can_be_said_again(given: Given) -> None:
    assert await republish_all(given.counter) == 4
    facts = await given.front.facts()
    assert isinstance(facts[0], EventOpened)
    assert facts[1:] == given.people


async def test_who_waits_and_who_cancelled_is_said_again_too(given: Given) -> None:
    front = given.front
    full = front.event(event_number="E-2", capacity=1, waiting_list=True)
    await front.take(full, *(front.submitted(n, event_number="E-2") for n in (11, 12, 13)))
    await front.take(front.taken_back(1))
    before = await front.facts()
    gone = [fact for fact in before if isinstance(fact, RegistrationCancelled)]
    waiting = [fact for fact in before if isinstance(fact, RegistrationWaitlisted)]
    assert [len(waiting), len(gone)] == [2, 1]
    await republish_all(given.counter)
    again = await front.facts()
    assert [fact for fact in again if isinstance(fact, RegistrationWaitlisted)] == waiting
    assert [fact for fact in again if isinstance(fact, RegistrationCancelled)] == gone
    assert len([fact for fact in again if isinstance(fact, ParticipantRegistered)]) == 3
