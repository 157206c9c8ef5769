"""A no on a form counts, also where the registration is declined."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contract.registration import ParticipantRegistered, RegistrationRejected
from shared.privacy.subjects import Alias
from tests.registration.conftest import NOW, Front, consent
from tests.support.people import whom_it_leads_to

NO, YES = consent("marketing", given=False), consent("dietary-needs")
SHE = {"email": "she@example.org"}


async def _has_registered(front: Front, **event: object) -> ParticipantRegistered:
    """Somebody has the only place at the event."""
    await front.take(
        front.event(capacity=1, registration_closes_at="2026-09-20T00:00:00Z", **event),
        front.submitted(1, answers=SHE, consents=[consent("marketing")]),
    )
    (known,) = await front.said(ParticipantRegistered)
    return known


@pytest.mark.parametrize(
    ("reason", "days", "waiting_list"),
    [
        ("already_registered", 0, True),
        ("event_full", 0, False),
        ("registration_closed", 25, True),
        ("event_ended", 40, True),
    ],
)
async def test_each_no_is_told_with_the_answer_and_no_yes(
    front: Front, reason: str, days: int, waiting_list: bool
) -> None:
    known = await _has_registered(front, waiting_list=waiting_list)
    front.now = NOW + timedelta(days=days)
    time = front.now.isoformat()
    await front.take(front.submitted(2, answers=SHE, consents=[NO, YES], time=time))
    (rejected,) = await front.said(RegistrationRejected)
    assert (rejected.reason, rejected.subject_id) == (reason, known.subject_id)
    assert rejected.answered is not None
    assert [(one.purpose, one.given) for one in rejected.answered.consents] == [
        ("marketing", False)
    ]
    assert rejected.answered.collected_at == front.now


async def test_who_finds_the_last_place_taken_in_the_same_batch_says_no_all_the_same(
    front: Front,
) -> None:
    await front.take(front.event(capacity=1), front.submitted(1), front.submitted(2, consents=[NO]))
    (rejected,) = await front.said(RegistrationRejected)
    assert rejected.answered is not None
    assert rejected.subject_id is not None


async def test_the_no_of_who_waited_for_an_event_that_is_over_counts(front: Front) -> None:
    await front.take(front.event(event_number="E-0"))
    await front.take(front.submitted(1, answers=SHE, event_number="E-0"))
    time = "2026-10-02T00:00:00Z"
    await front.take(front.submitted(2, answers=SHE, consents=[NO], time=time))
    await front.take(front.event())
    (rejected,) = await front.said(RegistrationRejected)
    assert (rejected.reason, rejected.answered is None) == ("event_ended", False)


@pytest.mark.parametrize("email", ["stranger@example.org", "none"])
async def test_nobody_is_made_known_for_a_no(front: Front, email: str) -> None:
    """Of a stranger there is no yes that it would take back."""
    await _has_registered(front)
    answers = {"email": email}
    await front.take(
        front.submitted(2, answers=answers, consents=[NO]),
        front.submitted(3, answers=SHE, consents=[NO]),
    )
    told = await front.said(RegistrationRejected)
    assert [one.answered is None for one in told] == [True, False]
    assert told[0].subject_id is None
    async with front.pool.acquire() as connection:
        aliases = [Alias("email", "stranger@example.org")]
        found = await whom_it_leads_to(front.desk.privacy.people, connection, aliases)
    assert found == [None]


async def test_the_number_of_the_source_says_whose_no_it_is(front: Front) -> None:
    office = {"email": "office@example.org"}
    await front.take(
        front.event(capacity=2),
        front.submitted(1, answers=office, person_number="P1"),
        front.submitted(2, answers=office, person_number="P2"),
    )
    _, second = await front.said(ParticipantRegistered)
    await front.take(
        front.submitted(3, answers=office, person_number="P2", consents=[NO]),
    )
    (rejected,) = await front.said(RegistrationRejected)
    assert rejected.subject_id == second.subject_id


async def test_without_a_no_nobody_is_looked_up(front: Front) -> None:
    await _has_registered(front)
    await front.take(front.submitted(2, answers=SHE, consents=[YES]))
    (rejected,) = await front.said(RegistrationRejected)
    assert (rejected.answered, rejected.subject_id) == (None, None)
