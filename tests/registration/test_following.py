"""What comes after a registration: changes, cancellations, waiting lists, the end of an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.registration.handlers import events, periodic, waiting
from services.registration.handlers.republish import republish_events
from shared.contract.registration import (
    EventCancelled,
    EventChanged,
    EventEnded,
    EventOpened,
    ParticipantRegistered,
    ParticipantUpdated,
    RegistrationCancelled,
    RegistrationRejected,
    RegistrationWaitlisted,
)
from shared.contract.retention import ProcessingRestricted, RestrictionLifted
from shared.privacy.limits import keep_limits
from tests.registration.conftest import EVENT, Front, consent


async def test_a_change_merges_into_what_is_kept(front: Front) -> None:
    agreed = [consent("marketing"), consent("dietary-needs")]
    await front.take(front.event(), front.submitted(1, answers={"diet": "nuts"}, consents=agreed))
    (before,) = await front.said(ParticipantRegistered)
    await front.take(front.changed(1, {"email": "new@example.org", "shoe_size": 44}))
    (updated,) = await front.said(ParticipantUpdated)
    contact = await front.opened(updated.subject_id, "contact", updated.personal["contact"])
    assert contact == {"name": "Person 1", "email": "new@example.org"}
    assert updated.personal["diet"] == before.personal["diet"], "untouched, so not even opened"
    assert updated.personal["marketing"] != before.personal["marketing"]
    assert updated.registration_id == before.registration_id


async def test_a_change_is_told_of_who_waits_for_a_place_too(front: Front) -> None:
    """They may never get one, and are written to all the same."""
    one_place = front.event(capacity=1, waiting_list=True)
    await front.take(
        one_place, front.submitted(1), front.submitted(2, consents=[consent("marketing")])
    )
    (waiting,) = await front.said(RegistrationWaitlisted)
    await front.take(front.changed(2, {"email": "new@example.org"}))
    (updated,) = await front.facts()
    assert isinstance(updated, ParticipantUpdated)
    assert updated.registration_id == waiting.registration_id
    assert updated.personal["marketing"] != waiting.personal["marketing"]
    assert updated.collected_at == waiting.waitlisted_at


async def test_a_change_of_restricted_data_is_stored_and_loses_nothing(front: Front) -> None:
    await front.take(front.event(), front.submitted(1))
    (before,) = await front.said(ParticipantRegistered)
    restricted = ProcessingRestricted(subject_id=before.subject_id, at=front.now)
    async with front.transaction() as tx:
        await keep_limits(tx.connection, [restricted])
    await front.take(front.changed(1, {"email": "new@example.org"}))
    (updated,) = await front.facts()
    assert isinstance(updated, ParticipantUpdated), "and it is no refusal"
    async with front.transaction() as tx:
        await keep_limits(
            tx.connection,
            [RestrictionLifted(subject_id=before.subject_id, at=front.now + timedelta(days=1))],
        )
    contact = await front.opened(updated.subject_id, "contact", updated.personal["contact"])
    assert contact == {"name": "Person 1", "email": "new@example.org"}


async def test_a_wrong_change_is_a_dead_letter_and_changes_nothing(front: Front) -> None:
    await front.take(front.event(), front.submitted(1))
    await front.facts()
    await front.take(front.changed(1, {"email": "nobody"}))
    assert await front.facts() == []
    assert await front.dead_letters() == [
        ("field_invalid", "answers.email is not an e-mail address")
    ]


async def test_a_cancellation_moves_up_the_first_of_the_waiting_list(front: Front) -> None:
    await front.take(
        front.event(capacity=2, waiting_list=True), *(front.submitted(n) for n in range(5))
    )
    waiting = await front.rows(
        "select id, registered_at from registration.registration where status = 'waitlisted'"
        " order by in_line"
    )
    await front.facts()
    await front.take(front.taken_back(0), front.taken_back(3))
    cancelled, gone, moved = await front.facts()
    assert isinstance(cancelled, RegistrationCancelled)
    assert cancelled.by == "person"
    assert isinstance(gone, RegistrationCancelled)
    assert isinstance(moved, ParticipantRegistered)
    assert moved.registration_id == waiting[0]["id"]
    assert moved.collected_at == waiting[0]["registered_at"], "the data is not newer than it is"
    (event,) = await front.rows("select places_taken, waitlisted from registration.event")
    assert tuple(event) == (2, 1)


async def test_who_moves_up_after_several_leave_at_once_does_so_as_of_the_last(
    front: Front,
) -> None:
    await front.take(front.event(capacity=2, waiting_list=True))
    await front.take(*(front.submitted(number) for number in (1, 2, 3)))
    await front.facts()
    times = ["2026-09-01T11:00:00Z", "2026-09-01T10:00:00Z"]
    await front.take(*(front.taken_back(n, time=at) for n, at in zip((1, 2), times, strict=True)))
    (fact,) = await front.said(ParticipantRegistered)
    assert fact.registered_at == datetime(2026, 9, 1, 11, tzinfo=UTC)


async def test_taken_back_twice_is_taken_back_once(front: Front) -> None:
    await front.take(front.event(), front.submitted(1), front.taken_back(1))
    await front.facts()
    await front.take(front.taken_back(1))
    assert await front.facts() == []
    await front.take(front.changed(1, {"name": "A"}))
    (rejected,) = await front.said(RegistrationRejected)
    assert (rejected.reason, rejected.request) == ("registration_cancelled", "RegistrationChanged")


async def test_nothing_changes_after_the_end(front: Front) -> None:
    await front.take(front.event(), front.submitted(1))
    late = "2026-10-02T00:00:00Z"
    await front.take(front.changed(1, {"name": "A"}, time=late), front.taken_back(1, time=late))
    rejected = await front.said(RegistrationRejected)
    assert [fact.reason for fact in rejected] == ["event_ended", "event_ended"]


async def test_a_registration_before_its_event_waits_and_is_handled_with_it(front: Front) -> None:
    await front.take(
        front.submitted(1), front.submitted(2), front.changed(2, {"name": "B"}), front.taken_back(1)
    )
    assert await front.outcomes() == {"waiting": 4}
    assert await front.facts() == []
    await front.take(front.event(capacity=1, waiting_list=True))
    facts = await front.facts()
    assert [type(fact) for fact in facts] == [
        EventOpened,
        ParticipantRegistered,
        RegistrationWaitlisted,
        ParticipantUpdated,
        RegistrationCancelled,
        ParticipantRegistered,
    ]
    moved = facts[-1]
    assert isinstance(moved, ParticipantRegistered)
    contact = await front.opened(moved.subject_id, "contact", moved.personal["contact"])
    assert contact["name"] == "B", "the change came before the place"
    assert await front.outcomes() == {"accepted": 5}
    assert await front.rows("select from registration.waiting_message") == []


async def test_a_waiting_message_that_is_wrong_becomes_a_dead_letter(front: Front) -> None:
    await front.take(front.submitted(1, answers={"name": ""}), front.submitted(2))
    await front.take(front.event())
    assert await front.dead_letters() == [("field_missing", "answers.name is missing")]
    assert await front.outcomes() == {"accepted": 2, "dead_letter": 1}


async def test_a_message_of_a_registration_that_comes_later_waits_for_it(front: Front) -> None:
    await front.take(front.event(), front.taken_back(1), front.changed(2, {"name": "B"}))
    assert await front.outcomes() == {"accepted": 1, "waiting": 2}
    await front.take(front.submitted(1), front.submitted(2))
    facts = await front.facts()
    kinds = {type(fact) for fact in facts}
    assert kinds == {
        EventOpened,
        ParticipantRegistered,
        ParticipantUpdated,
        RegistrationCancelled,
    }
    assert await front.outcomes() == {"accepted": 5}


async def test_who_waits_for_a_day_is_declined(front: Front) -> None:
    await front.take(front.submitted(1), front.taken_back(9))
    assert await front.expire() == 0
    front.now += timedelta(days=1)
    assert await front.expire() == 2
    rejected = await front.said(RegistrationRejected)
    assert {fact.reason for fact in rejected} == {"event_unknown", "registration_unknown"}
    assert await front.outcomes() == {"refused": 2}
    await front.take(front.event(), front.submitted(1), front.changed(1, {"name": "A"}))
    (answer,) = await front.said(RegistrationRejected)
    assert answer.reason == "registration_unknown", "an answered number stays answered"


async def test_nobody_is_declined_while_what_they_wait_for_may_be_unread(front: Front) -> None:
    await front.take(front.submitted(1), front.taken_back(9))
    front.now += timedelta(days=3)
    assert await front.expire(unread=2) == 0
    await front.take(front.event(), front.submitted(9))
    assert await front.expire() == 0
    assert await front.outcomes() == {"accepted": 4}


async def test_what_is_known_by_now_is_handled_however_long_it_waited(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_AT_ONCE", 1)
    await front.take(front.submitted(1), front.submitted(2), front.taken_back(3))
    front.now += timedelta(days=3)
    await front.take(front.event(), front.submitted(3))
    assert await front.outcomes() == {"accepted": 2, "waiting": 3}
    assert await front.expire() == 0
    while await front.work(periodic.handle_ready):
        pass
    assert await front.outcomes() == {"accepted": 5}


async def test_who_comes_new_waits_behind_those_who_wait(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_AT_ONCE", 1)
    await front.take(front.submitted(1), front.submitted(2))
    await front.take(front.event(capacity=2))
    assert await front.outcomes() == {"accepted": 2, "waiting": 1}
    await front.take(front.submitted(3))
    assert await front.outcomes() == {"accepted": 2, "waiting": 2}
    assert [await front.work(periodic.handle_ready) for _ in range(3)] == [1, 1, 0]
    (rejected,) = await front.said(RegistrationRejected)
    assert rejected.reason == "event_full"
    (last,) = await front.rows("select reference from registration.declined")
    assert last["reference"] == front.desk.registration_reference("event-forms", "3")


async def test_more_room_moves_people_up(front: Front) -> None:
    await front.take(
        front.event(capacity=1, waiting_list=True), *(front.submitted(n) for n in range(4))
    )
    await front.facts()
    await front.take(front.event(sequence=2, capacity=3, waiting_list=True))
    facts = await front.facts()
    assert [type(fact) for fact in facts] == [EventChanged, *[ParticipantRegistered] * 2]
    for fact in facts:
        assert isinstance(fact, EventChanged | ParticipantRegistered)
        assert fact.event.version == 2


@pytest.mark.parametrize("capacity", [3, None])
async def test_more_room_at_an_event_that_is_over_moves_nobody_up(
    front: Front, capacity: int | None
) -> None:
    await front.take(
        front.event(capacity=1, waiting_list=True), *(front.submitted(n) for n in range(3))
    )
    front.now += timedelta(days=31)
    assert await front.work(periodic.end_events) == 1
    await front.facts()
    late = "2026-10-02T00:00:00Z"
    roomy = {**EVENT, "sequence": 2, "capacity": capacity, "waiting_list": True}
    await front.take(front.message("EventAnnounced", roomy, time=late))
    assert [type(fact) for fact in await front.facts()] == [EventChanged]
    (event,) = await front.rows("select places_taken, waitlisted from registration.event")
    assert tuple(event) == (1, 2)
    moved = roomy | {"sequence": 3, "ends_at": "2026-11-01T14:00:00Z"}
    await front.take(front.message("EventAnnounced", moved, time=late))
    facts = await front.facts()
    assert [type(fact) for fact in facts] == [EventChanged, *[ParticipantRegistered] * 2]


async def test_old_news_of_an_event_changes_nothing(front: Front) -> None:
    await front.take(front.event(sequence=3))
    await front.facts()
    await front.take(front.event(sequence=2, unit="training"), front.event(sequence=3))
    assert await front.facts() == []


async def test_an_event_belongs_to_the_source_that_announced_it(front: Front) -> None:
    await front.take(front.event())
    other = front.message(
        "EventAnnounced",
        {**EVENT, "sequence": 9},
        source="https://courses.example.org/steward",
    )
    await front.take(other)
    ((reason, detail),) = await front.dead_letters()
    assert reason == "field_invalid"
    assert detail == "event_number belongs to an event that another source announced"


@pytest.mark.parametrize("asked", ["announced", "cancelled"])
async def test_what_another_source_says_of_an_event_keeps_nobody_waiting(
    front: Front, asked: str
) -> None:
    """Both may have an event of that number, and so records of one key."""
    source = "https://courses.example.org/steward"
    other = (
        front.message("EventAnnounced", {**EVENT, "sequence": 9}, source=source, key="E-1")
        if asked == "announced"
        else front.event_cancelled(source=source)
    )
    await front.take(front.event(), other, front.event(sequence=2, unit="training"))
    assert [type(fact) for fact in await front.facts()] == [EventOpened, EventChanged]
    assert await front.outcomes() == {"accepted": 2, "dead_letter": 1}


@pytest.mark.parametrize("waits", [False, True])
async def test_an_event_is_cancelled_by_nobody_but_the_source_that_announced_it(
    front: Front, waits: bool
) -> None:
    """Another system may have an event of that number of its own: nothing brings this one back."""
    other = front.event_cancelled(source="https://courses.example.org/steward")
    batches = [[other], [front.event(), front.submitted(1)]]
    for batch in batches if waits else reversed(batches):
        await front.take(*batch)
    facts = await front.facts()
    assert [type(fact) for fact in facts] == [EventOpened, ParticipantRegistered]
    assert await front.dead_letters() == [
        ("field_invalid", "event_number belongs to an event that another source announced")
    ]
    assert await front.outcomes() == {"accepted": 2, "dead_letter": 1}


async def test_a_cancelled_event_cancels_every_registration(front: Front) -> None:
    await front.take(
        front.event(capacity=2, waiting_list=True), *(front.submitted(n) for n in range(3))
    )
    await front.facts()
    await front.take(front.event_cancelled())
    facts = await front.facts()
    assert isinstance(facts[0], EventCancelled)
    cancelled = [fact for fact in facts if isinstance(fact, RegistrationCancelled)]
    assert [fact.by for fact in cancelled] == ["organiser"] * 3
    assert {fact.event.status for fact in cancelled} == {"cancelled"}
    await front.take(
        front.submitted(9), front.taken_back(1), front.event_cancelled(), front.event(sequence=2)
    )
    rejected = await front.said(RegistrationRejected)
    assert [fact.reason for fact in rejected] == ["event_cancelled", "event_cancelled"]
    (event,) = await front.rows("select places_taken, waitlisted from registration.event")
    assert tuple(event) == (0, 0)


async def test_a_cancelled_event_tells_since_when_it_is_and_goes_on_telling_it(
    front: Front,
) -> None:
    """When we were told: the time that a source writes may be of any year."""
    await front.take(front.event(), front.submitted(1))
    await front.facts()
    told_at = front.now = front.now + timedelta(days=3)
    await front.take(front.event_cancelled(time="0001-01-01T00:00:00Z"))
    front.now += timedelta(days=1)
    await front.take(front.event_cancelled(), front.event(sequence=2))
    async with front.transaction() as tx:
        await republish_events(tx)
    facts = await front.facts()
    kinds = EventCancelled, RegistrationCancelled, EventOpened, EventCancelled
    assert [type(fact) for fact in facts] == list(kinds)
    told = [fact.event.cancelled_at for fact in facts if isinstance(fact, kinds)]
    assert told == [told_at] * 4


async def test_the_cancellation_of_an_unknown_event_waits(front: Front) -> None:
    await front.take(front.event_cancelled(), front.submitted(1))
    assert await front.outcomes() == {"waiting": 2}
    await front.take(front.event())
    kinds = {type(fact) for fact in await front.facts()}
    assert kinds == {EventOpened, EventCancelled, ParticipantRegistered, RegistrationCancelled}


async def test_a_large_event_is_cancelled_in_parts(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_AT_ONCE", 2)
    await front.take(front.event(), *(front.submitted(n) for n in range(5)))
    await front.take(front.event_cancelled())
    assert len(await front.said(RegistrationCancelled)) == 2
    while await front.work(periodic.clear_cancelled):
        pass
    assert len(await front.said(RegistrationCancelled)) == 3


async def test_an_event_ends_once(front: Front) -> None:
    await front.take(front.event())
    assert await front.work(periodic.end_events) == 0
    await front.facts()
    front.now += timedelta(days=60)
    assert await front.work(periodic.end_events) == 1
    assert await front.work(periodic.end_events) == 0
    (ended,) = await front.said(EventEnded)
    assert (ended.event.status, ended.event.version) == ("ended", 2)
    await front.take(front.submitted(1, time="2026-09-30T00:00:00Z"))
    assert len(await front.said(ParticipantRegistered)) == 1, "its own time decides"
