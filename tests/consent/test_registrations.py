"""Answers that came with a registration, on a real Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from services.consent.handlers import Handlers, answers_something
from services.consent.subscribers import subscriptions
from shared.contract import registration
from shared.contract.registration import RegistrationWaitlisted
from shared.contract.types import RegistrationId, Sealed, SubjectId
from tests.consent.answering import HOUR, as_it_stands, consent, participation, states, withdrawal
from tests.support.facts import NOON
from tests.support.work import Work


def test_of_registrations_only_those_with_an_answer_concern_it() -> None:
    assert answers_something(participation(SubjectId(uuid4())))
    assert not answers_something(participation(SubjectId(uuid4()), consents=()))


async def test_what_is_told_again_with_a_later_time_hides_nothing_new(
    work: Work, handlers: Handlers
) -> None:
    subject, registration_id = SubjectId(uuid4()), RegistrationId(uuid4())
    yes: dict[str, Any] = {"registration_id": registration_id, "consents": (consent(),)}
    no: dict[str, Any] = {"consents": (consent(given=False),), "registered_at": NOON + HOUR}
    waitlisted = participation(subject, RegistrationWaitlisted, **yes)
    registered = participation(subject, **{**yes, "registered_at": NOON + 2 * HOUR})
    await work.do(handlers.record_participants, [waitlisted])
    await work.do(handlers.record_participants, [registered, participation(subject, **no)])
    assert await states(work) == {"marketing": "refused"}


async def test_answers_on_a_registration_are_recorded(work: Work, handlers: Handlers) -> None:
    subject = SubjectId(uuid4())
    effect = await work.do(handlers.record_participants, [participation(subject)])
    assert await states(work) == {"marketing": "given", "dietary-needs": "refused"}
    facts = [fact for fact in effect.said if fact.key is not None]
    assert [fact.key for fact in facts] == [subject, subject]
    collected = await work.rows("select distinct collected_by, source from consent_record")
    assert [tuple(row) for row in collected] == [("registration", "short-courses")]


async def test_who_comes_from_the_waiting_list_does_not_consent_again(
    work: Work, handlers: Handlers
) -> None:
    subject, registration_id = SubjectId(uuid4()), RegistrationId(uuid4())
    waits = participation(subject, RegistrationWaitlisted, registration_id=registration_id)
    has_a_place = participation(
        subject, registration_id=registration_id, registered_at=NOON + 5 * HOUR
    )
    await work.do(handlers.record_participants, [waits])
    await withdraw_for(work, handlers, subject, NOON + HOUR)
    effect = await work.do(handlers.record_participants, [has_a_place])
    assert effect.said == []
    assert effect.had == 1
    assert (await states(work))["marketing"] == "withdrawn"


async def test_who_had_to_wait_has_answered_when_joining_the_list(
    work: Work, handlers: Handlers
) -> None:
    """Also where that was not heard, and the registration is told again after a withdrawal."""
    subject = SubjectId(uuid4())
    has_a_place = participation(subject, registered_at=NOON + 5 * HOUR, collected_at=NOON)
    await withdraw_for(work, handlers, subject, NOON + HOUR)
    await work.do(handlers.record_participants, [has_a_place])
    assert (await states(work))["marketing"] == "withdrawn"
    given = "select at from consent_record where purpose = 'marketing' and state = 'given'"
    assert await work.value(given) == NOON


async def test_only_who_says_nothing_new_was_had_before(work: Work, handlers: Handlers) -> None:
    """Of two answers to one question in one message the first is recorded."""
    twice = participation(SubjectId(uuid4()), consents=(consent(), consent(given=False)))
    assert (await work.do(handlers.record_participants, [twice])).had == 0
    assert (await work.do(handlers.record_participants, [twice])).had == 1


async def withdraw_for(work: Work, handlers: Handlers, subject: SubjectId, at: datetime) -> None:
    """A withdrawal of a subject that has no address here."""

    async def identify(connection: object, people: Sequence[object]) -> list[SubjectId]:
        return [subject for _ in people]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work.parts.privacy.people, "identify", identify)
        await work.do(handlers.record_contacts, [withdrawal(at=at)])


def test_registration_facts_are_taken_from_their_topic(handlers: Handlers) -> None:
    _, facts, _ = subscriptions(handlers._privacy)
    assert facts.topic == registration.TOPIC


async def test_a_yes_brings_back_nothing_that_was_left_before_a_no(
    work: Work, handlers: Handlers
) -> None:
    """In every order, and told again: she leaves an address, says no, and later yes without one."""
    for order in permutations(range(3)):
        subject = SubjectId(uuid4())
        steps = [
            participation(subject, consents=(consent(),), personal={"marketing": Sealed(b"left")}),
            participation(subject, consents=(consent(given=False),), registered_at=NOON + HOUR),
            participation(subject, consents=(consent(),), registered_at=NOON + 2 * HOUR),
        ]
        for step in (*order, *order):
            await work.do(handlers.record_participants, [steps[step]])
        assert await states(work) == {"marketing": "given"}
        assert await work.value("select count(*) from contact") == 0, order


async def test_a_no_on_a_registration_counts_whatever_the_words_that_were_shown(
    work: Work, handlers: Handlers
) -> None:
    """It is recorded as a withdrawal is, which answers nothing that was shown."""
    subject = SubjectId(uuid4())
    yes = participation(subject, consents=(consent(),), personal={"marketing": Sealed(b"left")})
    no = consent(given=False).model_copy(update={"language": "sv"})
    in_swedish = participation(subject, consents=(no,), registered_at=NOON + HOUR)
    await work.do(handlers.record_participants, [yes])
    effect = await work.do(handlers.record_participants, [in_swedish])
    assert await states(work) == {"marketing": "withdrawn"}
    assert {fact.type for fact in effect.said} == {"ConsentWithdrawn", "ConsentRecorded"}
    assert await work.value("select count(*) from contact") == 0
    assert (await work.do(handlers.record_participants, [in_swedish])).had == 1


async def test_a_no_that_an_earlier_release_left_out_is_recorded_when_it_is_told_again(
    work: Work, handlers: Handlers
) -> None:
    """As `steward registration republish` tells it."""
    subject, registration_id = SubjectId(uuid4()), RegistrationId(uuid4())
    yes, no = consent("networking"), consent(given=False).model_copy(update={"language": "sv"})
    heard = participation(subject, registration_id=registration_id, consents=(yes,))
    await work.do(handlers.record_participants, [heard])
    again = participation(subject, registration_id=registration_id, consents=(yes, no))
    effect = await work.do(handlers.record_participants, [as_it_stands(again)])
    assert await states(work) == {"networking": "given", "marketing": "withdrawn"}
    assert {fact.type for fact in effect.said} == {"ConsentWithdrawn", "ConsentRecorded"}
