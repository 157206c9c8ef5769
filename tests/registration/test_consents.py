"""What registration keeps of consents is the same in whatever order it hears of them."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from uuid import uuid4

import pytest

from services.registration import store
from services.registration.domain.consents import Consent
from services.registration.handlers.consents import ConsentFact, keep_consents
from shared.contract.consent import ConsentGiven, ConsentWithdrawn
from shared.contract.types import SubjectId
from tests.registration.conftest import NOW, Front
from tests.support.facts import Facts

HOUR = timedelta(hours=1)


def said(subject_id: SubjectId, answers: str) -> list[ConsentFact]:
    """A yes (`y`) or a no (`n`) each hour, as facts."""
    facts: list[ConsentFact] = []
    for number, answer in enumerate(answers):
        head: dict[str, object] = {"subject_id": subject_id, "purpose": "dietary-needs"}
        head |= {"plan_digest": "0", "at": NOW + number * HOUR}
        if answer == "n":
            facts.append(ConsentWithdrawn.model_validate(head))
        else:
            wording = {"wording": "dietary-needs-2026", "language": "en"}
            where = {"collected_by": "registration", "source": "event-forms"}
            facts.append(ConsentGiven.model_validate(head | wording | where))
    return facts


async def kept(front: Front, subject_id: SubjectId) -> Consent:
    async with front.transaction() as tx:
        found = await store.consents_of(tx.connection, [subject_id], ["dietary-needs"])
    return found[subject_id, "dietary-needs"]


@pytest.mark.parametrize(
    ("answers", "right"),
    [
        ("y", Consent(True, NOW)),
        ("yn", Consent(False, NOW + HOUR, NOW + HOUR)),
        ("yny", Consent(True, NOW + 2 * HOUR, NOW + HOUR)),
        ("nny", Consent(True, NOW + 2 * HOUR, NOW + HOUR)),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_the_latest_answer_and_the_last_no_are_kept_in_any_order(
    front: Front, answers: str, right: Consent, at_once: bool
) -> None:
    for order in permutations(range(len(answers))):
        subject_id = SubjectId(uuid4())
        facts = said(subject_id, answers)
        messages = [Facts().message(facts[number]) for number in order]
        batches = [messages] if at_once else [[message] for message in messages]
        for batch in batches:
            async with front.transaction() as tx:
                await keep_consents(tx, batch)
        assert await kept(front, subject_id) == right


async def test_a_no_that_an_earlier_release_kept_counts_when_a_yes_follows(front: Front) -> None:
    subject_id = SubjectId(uuid4())
    await front.rows(
        "insert into registration.consent (subject_id, purpose, given, at)"
        " values ($1, 'dietary-needs', false, $2)",
        *(subject_id, NOW),
    )
    async with front.transaction() as tx:
        await keep_consents(tx, [Facts().message(said(subject_id, "ny")[1])])
    assert await kept(front, subject_id) == Consent(True, NOW + HOUR, NOW)


def test_a_consent_covers_what_was_collected_after_the_last_no() -> None:
    again = Consent(True, NOW + 2 * HOUR, NOW + HOUR)
    covered = [again.covers(NOW + number * HOUR) for number in range(4)]
    assert covered == [False, False, True, True]
    assert Consent(True, NOW).covers(NOW - HOUR)
    assert not Consent(False, NOW, NOW).covers(NOW + HOUR)


@pytest.mark.parametrize(
    "said", [Consent(False, NOW, NOW), Consent(False, NOW), Consent(True, NOW + HOUR, NOW)]
)
def test_a_no_takes_back_what_was_agreed_to_until_then_and_nothing_later(said: Consent) -> None:
    assert [said.denies(NOW + number * HOUR) for number in (-1, 0, 1)] == [True, True, False]


def test_a_yes_takes_nothing_back() -> None:
    assert not Consent(True, NOW).denies(NOW - HOUR)
