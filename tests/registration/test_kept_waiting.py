"""Messages that wait are kept whole, and given up by nobody who is not told to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.registration.handlers import periodic, waiting
from shared.contract import headers
from shared.contract.codec import decode
from shared.contract.message import Message, Record, Undecodable
from shared.contract.registration import (
    EventCancelled,
    EventOpened,
    ParticipantRegistered,
    RegistrationCancelled,
    RegistrationRejected,
)
from shared.contract.registry import MessageData
from shared.messaging import store
from shared.messaging.dead_letters import list_dead_letters
from shared.messaging.kept_records import unpack
from tests.registration.conftest import Front


async def test_a_waiting_message_keeps_headers_that_are_null(front: Front) -> None:
    """A time that is null is as good as none; one that is empty makes it no message."""
    record = front.submitted(1)
    others = [(name, value) for name, value in record.headers if name != headers.TIME]
    await front.take(replace(record, headers=(*others, (headers.TIME, None))))
    assert await front.outcomes() == {"waiting": 1}
    await front.take(front.event())
    assert await front.outcomes() == {"accepted": 2}
    assert len(await front.said(ParticipantRegistered)) == 1


async def test_what_waited_and_is_no_message_any_more_is_a_dead_letter(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that can read it can redrive it."""
    await front.take(front.submitted(1), front.submitted(2))

    def decode_second(record: Record) -> Message[MessageData] | Undecodable:
        if record.key == b"1":
            return Undecodable(record, "version_unknown", "the newest known version is 0")
        return decode(record)

    monkeypatch.setattr(waiting, "decode", decode_second)
    await front.take(front.event())
    assert await front.outcomes() == {"accepted": 2, "dead_letter": 1}
    assert await front.dead_letters() == [("version_unknown", "the newest known version is 0")]
    (listed,) = await list_dead_letters(front.pool)
    async with front.pool.acquire() as connection:
        (letter,) = await store.lock_dead_letters(connection, [listed.id])
        assert letter.sealed is not None
        (packed,) = await front.desk.privacy.open_records(connection, [letter.sealed])
    assert packed is not None
    kept = decode(unpack(packed))
    assert isinstance(kept, Message)
    assert (kept.record.key, kept.record.offset) == (b"1", 0)


async def test_what_goes_on_waiting_for_something_else_has_waited_since_it_came(
    front: Front,
) -> None:
    """For the event, and, as the registration was wrong, for a right one: a day in all."""
    await front.take(front.submitted(1, answers={"email": "none"}), front.taken_back(1))
    front.now += timedelta(hours=23)
    await front.take(front.event())
    assert await front.outcomes() == {"accepted": 1, "dead_letter": 1, "waiting": 1}
    assert await front.expire() == 0
    front.now += timedelta(hours=1)
    assert await front.expire() == 1
    (answer,) = await front.said(RegistrationRejected)
    assert (answer.reason, answer.request) == ("registration_unknown", "CancellationRequested")
    assert await front.outcomes() == {"accepted": 1, "dead_letter": 1, "refused": 1}


async def test_who_waits_for_a_registration_is_answered_with_it_also_where_that_is_declined(
    front: Front,
) -> None:
    await front.take(front.event(capacity=1), front.submitted(1), front.taken_back(2))
    assert await front.outcomes() == {"accepted": 2, "waiting": 1}
    await front.take(front.submitted(2))
    answers = await front.said(RegistrationRejected)
    assert [one.reason for one in answers] == ["event_full", "registration_unknown"]
    assert await front.outcomes() == {"accepted": 2, "refused": 2}


async def test_the_cancellation_of_an_event_waits_behind_those_who_wait_for_it(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They came before it: they had a place, and it was taken back."""
    monkeypatch.setattr(waiting, "MOST_AT_ONCE", 1)
    await front.take(front.submitted(1), front.submitted(2))
    await front.take(front.event())
    await front.take(front.event_cancelled())
    assert await front.outcomes() == {"accepted": 2, "waiting": 2}
    while await front.work(periodic.handle_ready):
        pass
    facts = await front.facts()
    assert [type(fact) for fact in facts] == [
        EventOpened,
        ParticipantRegistered,
        ParticipantRegistered,
        EventCancelled,
        RegistrationCancelled,
        RegistrationCancelled,
    ]
