"""What a witness reports of those whom the model does not know."""

from __future__ import annotations

from tests.faults.answers import Answers, compare
from tests.faults.observed import Stranger, without_strangers

SOMEBODY = Stranger("somebody")


def test_of_strangers_nothing_is_reported_that_is_there_once() -> None:
    found = Answers()
    found.row("finance.invoice", SOMEBODY, "invoice")
    found.row("finance.invoice", SOMEBODY, "credit_note")
    found.row("registration.declined", SOMEBODY)
    found.row("registration.declined", SOMEBODY)
    found.fact("registration", SOMEBODY, "ParticipantRegistered", "answers")
    found.fact("registration", SOMEBODY, "ParticipantUpdated", "answers")
    found.fact("registration", SOMEBODY, "ParticipantUpdated", "answers")
    assert not compare(Answers(), without_strangers(found))


def test_what_is_there_again_of_a_stranger_though_it_is_to_be_there_once_is_reported() -> None:
    found = Answers()
    for _ in range(2):
        found.row("finance.invoice", SOMEBODY, "invoice")
        found.row("consent.consent_record", SOMEBODY, "marketing", "given")
        found.fact("registration", SOMEBODY, "ParticipantRegistered", "answers")
        found.fact("consent", (SOMEBODY, "marketing"), "ConsentGiven", "a moment")
    difference = compare(Answers(), without_strangers(found))
    assert len(difference.doubled) == 4, difference
    assert not difference.lost


def test_of_those_who_are_known_everything_is_reported() -> None:
    found = Answers()
    found.row("finance.invoice", "R-1", "invoice")
    found.fact("registration", "R-1", "ParticipantUpdated", "answers")
    assert without_strangers(found) == found
