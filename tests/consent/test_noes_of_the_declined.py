"""A no on a form counts, also where the registration was declined."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from services.consent.handlers import Handlers, answers_something
from services.consent.subscribers import subscriptions
from shared.contract.inbound import ConsentAnswer
from shared.contract.message import Message
from shared.contract.registration import TOPIC, AnsweredConsents, RegistrationRejected
from shared.contract.types import Sealed, SubjectId
from tests.conftest import SettingsFactory
from tests.consent.answering import HOUR, consent, participation, states
from tests.consent.test_cancelled_since import EVENT, hear, lost, registers
from tests.consent.test_shared_addresses import OFFICE, OTHER, known, link, marketing
from tests.support.facts import NOON, Facts
from tests.support.work import Work

NO = consent(given=False)


def declined(
    subject: SubjectId | None, *noes: ConsentAnswer, at: datetime = NOON + HOUR
) -> Message[Any]:
    answered = AnsweredConsents(consents=noes, source="short-courses", collected_at=at)
    fact = RegistrationRejected(
        reason="already_registered",
        request="RegistrationSubmitted",
        source="short-courses",
        subject_id=subject,
        rejected_at=NOON + 2 * HOUR,
        answered=answered if noes else None,
    )
    return Facts().message(fact, received_at=NOON + 10 * HOUR)


async def test_it_takes_the_yes_back_and_whom_to_write_to_with_it(
    work: Work, handlers: Handlers
) -> None:
    subject = SubjectId(uuid4())
    yes = participation(subject, consents=(consent(),), personal={"marketing": Sealed(b"sealed")})
    await work.do(handlers.record_participants, [yes])
    assert await work.rows("select from contact")
    effect = await work.do(handlers.record_not_taking_part, [declined(subject, NO)])
    assert [fact.type for fact in effect.said] == ["ConsentRefused", "ConsentRecorded"]
    assert await states(work) == {"marketing": "refused"}
    assert not await work.rows("select from contact")


async def test_a_later_yes_is_not_taken_back(work: Work, handlers: Handlers) -> None:
    subject = SubjectId(uuid4())
    later = participation(subject, consents=(consent(),), registered_at=NOON + 2 * HOUR)
    await work.do(handlers.record_participants, [later])
    await work.do(handlers.record_not_taking_part, [declined(subject, NO)])
    assert await states(work) == {"marketing": "given"}


async def test_each_one_that_was_declined_counts_and_counts_once(
    work: Work, handlers: Handlers
) -> None:
    subject = SubjectId(uuid4())
    first, second = declined(subject, NO), declined(subject, NO, at=NOON + 3 * HOUR)
    between = participation(subject, consents=(consent(),), registered_at=NOON + 2 * HOUR)
    await work.do(handlers.record_not_taking_part, [first])
    await work.do(handlers.record_participants, [between])
    again = await work.do(handlers.record_not_taking_part, [first])
    assert (again.said, again.had) == ([], 1)
    assert await states(work) == {"marketing": "given"}
    await work.do(handlers.record_not_taking_part, [second])
    assert await states(work) == {"marketing": "refused"}


async def test_it_is_a_no_of_the_whole_person(
    work: Work, handlers: Handlers, service_settings: SettingsFactory
) -> None:
    first, second = await known(work, [OFFICE], [OTHER])
    await link(service_settings, first, second)
    await work.do(handlers.record_participants, [participation(first, consents=(consent(),))])
    await work.do(handlers.record_not_taking_part, [declined(second, NO)])
    assert await marketing(work) == {first: "refused", second: "refused"}


async def test_who_says_no_on_a_second_form_is_written_to_no_more(work: Work, intake: Work) -> None:
    said = await lost(intake, EVENT, registers(given=True), registers(given=False, number="r-2"))
    assert isinstance(said[-1].data, RegistrationRejected)
    await hear(work, said[:-1])
    assert await states(work) == {"marketing": "given"}
    await hear(work, said[-1:])
    # Both were said in the same moment: of that the no counts.
    assert await states(work) == {"marketing": "refused"}


def test_only_a_no_of_somebody_who_is_known_concerns_it(work: Work) -> None:
    assert answers_something(declined(SubjectId(uuid4()), NO))
    assert not answers_something(declined(SubjectId(uuid4())))
    assert not answers_something(declined(None))
    heard = {one.topic: one for one in subscriptions(work.parts.privacy)}[TOPIC]
    assert RegistrationRejected in heard.handlers
