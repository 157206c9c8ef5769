"""Answers on registrations that were cancelled before anybody read them count when told again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from services.consent.handlers import Handlers
from services.consent.handlers.republish import republish_consents
from services.consent.subscribers import subscriptions as heard_by_consent
from services.registration.handlers.desk import Desk
from services.registration.handlers.republish import republish_registrations
from services.registration.subscribers import subscriptions as heard_by_registration
from shared.contract.consent import ConsentRefused
from shared.contract.inbound import (
    CancellationRequested,
    EventAnnounced,
    EventCancellationRequested,
    RegistrationSubmitted,
)
from shared.contract.message import Message
from shared.contract.registration import ParticipantRegistered, RegistrationCancelled
from shared.contract.registry import MessageData
from shared.messaging.unit_of_work import Transaction
from tests.conftest import SettingsFactory
from tests.consent.answering import EMAIL, HOUR, consent, states, submitted, withdrawal
from tests.consent.test_shared_addresses import OFFICE, OTHER, known, link, marketing
from tests.support.facts import NOON, Facts
from tests.support.republished import said_again, said_because
from tests.support.work import Effect, Work

COURSES = "https://courses.example.org/steward"
EVENT = EventAnnounced.model_validate(
    {
        "event_number": "E-1",
        "title": {"en": "A course"},
        "unit": "training",
        "starts_at": "2026-10-01T06:00:00Z",
        "ends_at": "2026-10-01T14:00:00Z",
        "time_zone": "Europe/Helsinki",
        "capacity": 1,
        "waiting_list": True,
        "form": [
            {"name": "name", "field": "contact.name", "purpose": "event-arrangement"},
            {"name": "email", "field": "contact.email", "purpose": "event-arrangement"},
        ],
    }
)
BY_PERSON, BY_ORGANISER = (
    CancellationRequested(registration_number="r-1"),
    EventCancellationRequested(event_number="E-1"),
)


def registers(*, given: bool, number: str = "r-1", email: str = EMAIL) -> RegistrationSubmitted:
    return RegistrationSubmitted(
        registration_number=number,
        event_number="E-1",
        language="fi",
        answers={"name": "Aino", "email": email},
        consents=(consent(given=given),),
    )


async def lost(intake: Work, *asked: MessageData) -> list[Message[Any]]:
    """What registration says of these to nobody, an hour after noon."""
    inbound = heard_by_registration(Desk(intake.parts.privacy))[0]
    said = []
    for data in asked:

        async def take(tx: Transaction, messages: Sequence[Message[Any]]) -> None:
            assert inbound.prepare is not None
            await inbound.prepare(tx, messages)
            await inbound.handlers[type(messages[0].data)](tx, messages)

        message = Facts().message(data, source=COURSES, at=NOON + HOUR)
        said += await said_because(intake, take, [message])
    return said


async def hear(work: Work, messages: Sequence[Message[Any]]) -> list[Effect]:
    """As the consent service hears its topic, one by one."""
    _, facts, _ = heard_by_consent(work.parts.privacy)
    assert facts.concerns is not None
    return [
        await work.do(facts.handlers[type(message.data)], [message])
        for message in messages
        if type(message.data) not in facts.ignored and facts.concerns(message)
    ]


@pytest.mark.parametrize("cancellation", [BY_PERSON, BY_ORGANISER])
async def test_a_no_on_a_registration_that_was_cancelled_since_is_said_again(
    work: Work, handlers: Handlers, intake: Work, cancellation: MessageData
) -> None:
    await work.do(handlers.record_contacts, [submitted()])
    missed = await lost(intake, EVENT, registers(given=False), cancellation)
    await hear(work, await said_again(intake, republish_registrations))
    assert await states(work) == {"marketing": "refused"}
    assert await work.value("select count(*) from contact") == 0
    (again,) = await said_again(work, republish_consents)
    assert isinstance(again.data, ConsentRefused)
    assert again.data.at == NOON + HOUR, "when it was said"
    before = await work.rows("select * from consent_record order by id")
    assert [effect.had for effect in await hear(work, missed)] == [1], "nothing was left to learn"
    assert await work.rows("select * from consent_record order by id") == before


async def test_a_yes_is_not_taken_back_by_the_cancellation(work: Work, intake: Work) -> None:
    """Whom to write to does not come back with it."""
    await lost(intake, EVENT, registers(given=True), BY_PERSON)
    await hear(work, await said_again(intake, republish_registrations))
    assert await states(work) == {"marketing": "given"}
    collected = await work.rows("select at, collected_by, source from consent_record")
    assert [tuple(row) for row in collected] == [(NOON + HOUR, "registration", "short-courses")]
    assert await work.value("select count(*) from contact") == 0


async def test_a_yes_on_it_undoes_no_later_no(work: Work, handlers: Handlers, intake: Work) -> None:
    await work.do(handlers.record_contacts, [withdrawal("marketing", at=NOON + 2 * HOUR)])
    await lost(intake, EVENT, registers(given=True), BY_PERSON)
    await hear(work, await said_again(intake, republish_registrations))
    assert await states(work) == {"marketing": "withdrawn"}


async def test_the_no_of_who_only_waited_is_said_again_too(
    work: Work, handlers: Handlers, intake: Work
) -> None:
    await work.do(handlers.record_contacts, [submitted()])
    first = registers(given=True, number="r-0", email="eero@example.org")
    await lost(intake, EVENT, first, registers(given=False), BY_PERSON)
    await hear(work, await said_again(intake, republish_registrations))
    assert sorted((await marketing(work)).values()) == ["given", "refused"]


async def test_the_no_is_the_whole_persons(
    work: Work, handlers: Handlers, intake: Work, service_settings: SettingsFactory
) -> None:
    """Two subjects proved to be one person; one of them had said yes, the other registered."""
    older, newer = await known(work, [OTHER], [OFFICE])
    await link(service_settings, older, newer)
    await work.do(handlers.record_contacts, [submitted(email=OTHER.value)])
    await lost(intake, EVENT, registers(given=False), BY_PERSON)
    await hear(work, await said_again(intake, republish_registrations))
    assert await marketing(work) == {older: "refused", newer: "refused"}


async def test_a_cancellation_itself_answers_nothing(work: Work, intake: Work) -> None:
    said = await lost(intake, EVENT, registers(given=False), BY_PERSON)
    assert [type(one.data) for one in said[-2:]] == [ParticipantRegistered, RegistrationCancelled]
    assert await hear(work, said[-1:]) == []
