"""Whom to write to is who the person says it is, also after a correction."""

from __future__ import annotations

from datetime import datetime
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from services.consent.handlers import Handlers
from services.consent.subscribers import subscriptions
from shared.contract.message import Message
from shared.contract.registration import (
    ParticipantRegistered,
    ParticipantUpdated,
    RegistrationWaitlisted,
)
from shared.contract.types import RegistrationId, Sealed, SubjectId
from tests.consent.answering import (
    HOUR,
    as_it_stands,
    consent,
    participation,
    states,
    submitted,
)
from tests.support.facts import NOON
from tests.support.work import Work

MIGRATION = (
    Path(__file__).parents[2]
    / "services/consent/migrations/20260402000200_contacts_of_registrations.sql"
)
TYPO, RIGHT, OTHER = {"marketing": b"typo"}, {"marketing": b"right"}, {"marketing": b"other"}


class Registration:
    """What the registration service says of one person's registration."""

    def __init__(self) -> None:
        self.id, self.subject = RegistrationId(uuid4()), SubjectId(uuid4())

    def registered(
        self, personal: dict[str, bytes], at: datetime = NOON, *, given: bool = True, **more: object
    ) -> Message[ParticipantRegistered]:
        answers = {"consents": (consent(given=given),), "registered_at": at}
        return self._said(ParticipantRegistered, personal, **answers, **more)

    def waitlisted(self, personal: dict[str, bytes]) -> Message[Any]:
        return self._said(RegistrationWaitlisted, personal, consents=(consent(),))

    def updated(self, personal: dict[str, bytes], at: datetime) -> Message[ParticipantUpdated]:
        return self._said(ParticipantUpdated, personal, consents=(consent(),), updated_at=at)

    def _said(self, kind: type[Any], personal: dict[str, bytes], **more: object) -> Message[Any]:
        sealed = {name: Sealed(value) for name, value in personal.items()}
        more = {"registration_id": self.id, "personal": sealed, **more}
        return participation(self.subject, kind, **more)


@pytest.fixture
def one() -> Registration:
    return Registration()


async def take(work: Work, handlers: Handlers, *messages: Message[Any]) -> None:
    """As the topic's subscription hands them over, one after the other."""
    _, facts, _ = subscriptions(handlers._privacy)
    for message in messages:
        await work.do(facts.handlers[type(message.data)], [message])


async def kept(work: Work) -> list[bytes]:
    return [row["sealed"] for row in await work.rows("select sealed from contact")]


async def test_a_corrected_address_takes_the_place_of_the_wrong_one(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    await take(work, handlers, one.registered(TYPO))
    assert await kept(work) == [b"typo"]
    await take(work, handlers, one.updated(RIGHT, NOON + HOUR))
    assert await kept(work) == [b"right"]


async def test_what_is_told_twice_corrects_nothing(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    """A relay that dies before it has forgotten what it sent sends it again."""
    told = [one.registered(TYPO), one.updated(RIGHT, NOON + HOUR)]
    for number in (1, 2):
        await take(work, handlers, *told[:number])
        once = await work.rows("select * from contact")
        await take(work, handlers, *told[:number])
        assert await work.rows("select * from contact") == once


async def test_what_everybody_in_a_batch_said_is_locked_before_any_of_it_is_corrected(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    another = Registration()
    await take(work, handlers, one.registered(TYPO), another.registered(OTHER))
    states = "select 1 from consent_state where subject_id = $1 for update skip locked"
    batch = [one.updated(RIGHT, NOON + HOUR), another.registered(OTHER)]
    async with work.parts.work(now=NOON) as tx:
        await handlers.prepare_participants(tx, batch)
        assert await work.rows(states, one.subject) == []
        assert await work.rows(states, another.subject) == []
    async with work.parts.work(now=NOON) as tx:
        await handlers.prepare_participants(tx, batch[1:])
        assert await work.rows(states, another.subject) != [], "nothing in it can correct anything"


async def test_contacts_of_before_corrections_are_found_by_their_registration(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    await take(work, handlers, one.registered(TYPO))
    await work.do(handlers.record_contacts, [submitted(consent())])
    async with work.parts.pool.acquire() as connection:
        await connection.execute("update contact set registration_id = null")
        await connection.execute(MIGRATION.read_text("utf-8").partition("-- migrate:up")[2])
    rows = await work.rows("select registration_id from contact order by registration_id")
    assert [row["registration_id"] for row in rows] == [one.id, None]


async def test_of_corrections_the_latest_counts_and_what_is_told_again_undoes_none(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    later, earlier = one.updated(RIGHT, NOON + 2 * HOUR), one.updated(OTHER, NOON + HOUR)
    await take(work, handlers, one.registered(TYPO), later, earlier, one.registered(TYPO))
    assert await kept(work) == [b"right"]


async def test_a_correction_brings_back_nobody_whom_a_no_has_removed(
    work: Work, handlers: Handlers
) -> None:
    """In every order: a yes with an address, a no, a correction, and a yes without an address."""
    for order in permutations(range(4)):
        one, two, three = Registration(), Registration(), Registration()
        two.subject = three.subject = one.subject
        steps = [
            one.registered(TYPO),
            two.registered({}, NOON + HOUR, given=False),
            one.updated(RIGHT, NOON + 2 * HOUR),
            three.registered({}, NOON + 3 * HOUR),
        ]
        await take(work, handlers, *(steps[step] for step in order))
        assert await kept(work) == [], order


async def test_what_came_with_another_registration_or_by_itself_is_not_corrected(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    two = Registration()
    two.subject = one.subject
    await take(work, handlers, one.registered(TYPO), two.registered(OTHER, NOON + HOUR))
    await take(work, handlers, one.updated(RIGHT, NOON + 2 * HOUR))
    assert await kept(work) == [b"other"]
    await work.do(handlers.record_contacts, [submitted(at=NOON + HOUR)])
    by_itself = await work.value("select registration_id from contact where sealed <> 'other'")
    assert by_itself is None


async def test_what_was_corrected_while_waiting_comes_with_the_place(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    moved_up = one.registered(RIGHT, NOON + 5 * HOUR, collected_at=NOON)
    await take(work, handlers, one.waitlisted(TYPO), moved_up)
    assert await kept(work) == [b"right"]
    # By the clock of its source it was sent before the place was given, and it came after that.
    await take(work, handlers, one.updated(OTHER, NOON + 4 * HOUR))
    assert await kept(work) == [b"other"]


async def test_who_is_corrected_and_never_gets_a_place_is_written_to_as_corrected(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    await take(work, handlers, one.waitlisted(TYPO), one.updated(RIGHT, NOON + HOUR))
    assert await kept(work) == [b"right"]
    await take(work, handlers, one.waitlisted(TYPO), as_it_stands(one.waitlisted(TYPO)))
    assert await kept(work) == [b"right"], "what was told before is older than the correction"


async def test_a_correction_that_was_missed_is_healed_by_what_is_told_again_of_who_waits(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    await take(work, handlers, one.waitlisted(TYPO), one.waitlisted(OTHER))
    assert await kept(work) == [b"typo"], "the same fact a second time tells nothing"
    again = as_it_stands(one.waitlisted(RIGHT))
    async with work.parts.work(now=NOON) as tx:
        await handlers.prepare_participants(tx, [again])
        states = "select 1 from consent_state where subject_id = $1 for update skip locked"
        assert await work.rows(states, one.subject) == []
    await take(work, handlers, again)
    assert await kept(work) == [b"right"]


@pytest.mark.parametrize("given", [True, False])
async def test_a_correction_that_was_missed_is_healed_also_where_an_answer_is_new(
    work: Work, handlers: Handlers, one: Registration, given: bool
) -> None:
    """An earlier release left it out, or the plan had no such purpose when it was heard."""
    await take(work, handlers, one.registered(TYPO))
    left_out = consent("networking", given=given)
    again = participation(
        one.subject,
        registration_id=one.id,
        personal={"marketing": Sealed(b"right")},
        consents=(consent(), left_out),
    )
    await take(work, handlers, as_it_stands(again))
    assert (await states(work)).keys() == {"marketing", "networking"}
    assert await kept(work) == [b"right"]


async def test_of_an_address_that_was_taken_back_nothing_is_kept(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    await take(work, handlers, one.registered(TYPO), one.updated({}, NOON + HOUR))
    assert await kept(work) == []


async def test_who_was_corrected_and_says_yes_again_is_written_to_by_what_came_with_that(
    work: Work, handlers: Handlers, one: Registration
) -> None:
    two = Registration()
    two.subject = one.subject
    await take(work, handlers, one.registered(TYPO), one.updated(RIGHT, NOON + 5 * HOUR))
    await take(work, handlers, two.registered(OTHER, NOON + HOUR))
    assert await kept(work) == [b"other"]
    await take(work, handlers, two.updated(RIGHT, NOON + 2 * HOUR))
    assert await kept(work) == [b"right"]
