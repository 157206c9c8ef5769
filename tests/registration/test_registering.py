"""Somebody registers: on a real Postgres, through the batch that the consumer makes."""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson
import pytest

from shared.contract.registration import (
    EventOpened,
    ParticipantRegistered,
    RegistrationRejected,
    RegistrationWaitlisted,
)
from shared.privacy.subjects import Alias
from tests.registration.conftest import FORM, WEBSITE, Front, consent, form_field
from tests.support.people import whom_it_leads_to


async def test_an_announced_event_can_be_registered_for(front: Front) -> None:
    await front.take(front.event(), front.submitted(1))
    opened, registered = await front.facts()
    assert isinstance(opened, EventOpened)
    assert isinstance(registered, ParticipantRegistered)
    assert registered.event == opened.event
    assert registered.source == "event-forms"
    contact = await front.opened(registered.subject_id, "contact", registered.personal["contact"])
    assert contact == {"name": "Person 1", "email": "p1@example.org"}
    assert await front.outcomes() == {"accepted": 2}


async def test_another_source_registers_for_the_same_event(front: Front) -> None:
    await front.take(front.event(), front.submitted(1), front.submitted(1, source=WEBSITE))
    sources = {fact.source for fact in await front.said(RegistrationRejected)}
    assert sources == {"website"}, "the same address is the same person, who has a place"


async def test_what_the_event_does_not_declare_is_not_kept(front: Front) -> None:
    await front.take(
        front.event(),
        front.submitted(1, answers={"shoe_size": "44", "nights": "2", "diet": "no nuts"}),
    )
    (registered,) = await front.said(ParticipantRegistered)
    assert set(registered.personal) == {"contact"}, "and a diet only with consent"


async def test_a_consent_keeps_what_rests_on_it(front: Front) -> None:
    await front.take(
        front.event(),
        front.submitted(
            1,
            answers={"diet": "no nuts"},
            consents=[consent("dietary-needs"), consent("marketing")],
            share_with_participants=["networking.name"],
        ),
    )
    (registered,) = await front.said(ParticipantRegistered)
    assert set(registered.personal) == {"contact", "diet", "marketing", "networking"}
    assert {answer.purpose for answer in registered.consents} == {"dietary-needs", "marketing"}
    shared = await front.opened(
        registered.subject_id, "networking", registered.personal["networking"]
    )
    assert shared == {"name": "Person 1"}


async def test_a_field_to_be_shared_that_the_plan_lacks_is_not_kept(
    front: Front, database: str
) -> None:
    shared = ["networking.name", "maija.meikalainen"]
    await front.take(front.event(), front.submitted(1, share_with_participants=shared))
    connection = await asyncpg.connect(database)
    try:
        kept = await connection.fetchval("select share_fields from registration.registration")
    finally:
        await connection.close()
    assert orjson.loads(kept) == ["networking.name"]


async def test_a_consent_to_a_wording_that_nobody_knows_is_none(front: Front) -> None:
    answer = {**consent("marketing"), "wording": "something else"}
    await front.take(front.event(), front.submitted(1, consents=[answer]))
    (registered,) = await front.said(ParticipantRegistered)
    assert "marketing" not in registered.personal
    assert registered.consents == ()


@pytest.mark.parametrize(
    "over", [{"ends_at": "9999-12-31T00:00:00Z"}, {"starts_at": "0001-01-01T00:00:00Z"}]
)
async def test_an_event_on_a_day_that_nobody_knows_is_refused(
    front: Front, over: dict[str, object]
) -> None:
    await front.take(front.event(**over))
    detail = "starts_at and ends_at must be from 1900 to 2999"
    assert await front.dead_letters() == [("field_invalid", detail)]


async def test_an_event_that_nobody_was_ever_in_time_for_is_refused(front: Front) -> None:
    """Else each who registers is declined, for good."""
    await front.take(front.event(registration_closes_at="0001-01-01T00:00:00Z"))
    detail = "registration_closes_at must be from 1900 on"
    assert await front.dead_letters() == [("field_invalid", detail)]


async def test_an_event_that_was_kept_with_such_a_day_is_mended_or_cancelled(front: Front) -> None:
    for number in ("E-1", "E-2"):
        await front.take(front.event(event_number=number))
    endless = '{"ends_at": "9999-12-31T00:00:00Z"}'
    await front.rows("update registration.event set offer = offer || $1::jsonb", endless)
    await front.take(front.submitted(1), front.event(sequence=2), front.event_cancelled("E-2"))
    assert await front.dead_letters() == []
    assert await front.outcomes() == {"accepted": 5}


@pytest.mark.parametrize(
    ("answers", "reason", "detail"),
    [
        ({"name": None}, "field_missing", "answers.name is missing"),
        ({"name": "  "}, "field_missing", "answers.name is missing"),
        ({"email": "nobody"}, "field_invalid", "answers.email is not an e-mail address"),
        ({"phone": "call me"}, "field_invalid", "answers.phone is not a telephone number"),
        ({"name": {"first": "A"}}, "field_invalid", "answers.name is not text"),
    ],
)
async def test_a_wrong_answer_is_a_dead_letter_that_names_the_field(
    front: Front, answers: dict[str, object], reason: str, detail: str
) -> None:
    await front.take(front.event(), front.submitted(1, answers=answers), front.submitted(2))
    assert await front.dead_letters() == [(reason, detail)]
    assert len(await front.said(ParticipantRegistered)) == 1
    assert await front.outcomes() == {"accepted": 2, "dead_letter": 1}


async def test_an_address_that_only_the_keyring_finds_wrong_is_a_dead_letter(front: Front) -> None:
    wrong = front.submitted(1, answers={"email": "a@-x.org"})
    await front.take(front.event(), wrong, front.submitted(2))
    assert [reason for reason, _ in await front.dead_letters()] == ["field_invalid"]
    assert len(await front.said(ParticipantRegistered)) == 1


async def test_the_same_number_again_has_no_second_effect(front: Front) -> None:
    await front.take(front.event(), front.submitted(1))
    await front.facts()
    await front.take(front.submitted(1), front.submitted(1, answers={"name": "Another"}))
    assert await front.facts() == []
    assert await front.outcomes() == {"accepted": 4}


async def test_nobody_is_made_known_for_a_number_that_is_answered_already(front: Front) -> None:
    """Neither in a later batch nor behind the first in the same one."""
    await front.take(
        front.event(),
        front.submitted(1),
        front.submitted(1, answers={"email": "behind@example.org"}),
    )
    await front.take(front.submitted(1, answers={"email": "later@example.org"}))
    aliases = [Alias("email", f"{name}@example.org") for name in ("behind", "later")]
    async with front.pool.acquire() as connection:
        assert await whom_it_leads_to(front.desk.privacy.people, connection, aliases) == [
            None,
            None,
        ]
    assert await front.outcomes() == {"accepted": 4}


async def test_the_same_message_again_is_a_duplicate(front: Front) -> None:
    message = front.submitted(1)
    await front.take(front.event(), message, message)
    assert len(await front.said(ParticipantRegistered)) == 1
    assert await front.outcomes() == {"accepted": 2, "duplicate": 1}


async def test_a_person_has_one_place_at_an_event(front: Front) -> None:
    await front.take(
        front.event(),
        front.submitted(1, answers={"email": "same@example.org"}),
        front.submitted(2, answers={"email": "Same@Example.org "}),
    )
    (rejected,) = await front.said(RegistrationRejected)
    assert rejected.reason == "already_registered"
    assert rejected.subject_id is not None


async def test_two_people_with_one_address_are_told_apart_by_their_numbers(front: Front) -> None:
    same = {"email": "office@example.org"}
    await front.take(
        front.event(),
        front.submitted(1, answers=same, person_number="P1"),
        front.submitted(2, answers=same, person_number="P2"),
    )
    assert len(await front.said(ParticipantRegistered)) == 2


async def test_a_full_event_declines_with_a_fact(front: Front) -> None:
    await front.take(front.event(capacity=2), *(front.submitted(n) for n in range(4)))
    facts = await front.facts()
    rejected = [fact for fact in facts if isinstance(fact, RegistrationRejected)]
    assert [fact.reason for fact in rejected] == ["event_full", "event_full"]
    assert len(facts) == 5
    await front.take(front.submitted(9))
    (late,) = await front.said(RegistrationRejected)
    assert late.reason == "event_full"
    assert late.subject_id is None, "who cannot get a place is not identified"
    assert await front.outcomes() == {"accepted": 3, "refused": 3}


async def test_who_finds_no_place_joins_the_waiting_list(front: Front) -> None:
    await front.take(
        front.event(capacity=1, waiting_list=True), *(front.submitted(n) for n in range(3))
    )
    waiting = await front.said(RegistrationWaitlisted)
    assert [fact.position for fact in waiting] == [1, 2]


@pytest.mark.parametrize(
    ("over", "detail"),
    [
        ({"person_number": "12\xa0345"}, "person_number is blank or cannot be printed"),
        ({"person_number": " "}, "person_number is blank or cannot be printed"),
        (
            {"answers": {"email": None, "name": "A"}, "registration_number": "K\xa01"},
            "registration_number is blank or cannot be printed",
        ),
        (
            {"answers": {"email": "a@-.example"}},
            "answers: the e-mail address or telephone number is none",
        ),
    ],
)
async def test_who_cannot_be_known_is_a_dead_letter_that_names_why(
    front: Front, over: dict[str, Any], detail: str
) -> None:
    form = [{**field, "required": False} for field in FORM]
    await front.take(front.event(form=form), front.submitted(1, **over), front.submitted(2))
    assert await front.dead_letters() == [("field_invalid", detail)]
    assert len(await front.said(ParticipantRegistered)) == 1


@pytest.mark.parametrize(
    ("over", "time", "reason"),
    [
        ({"registration_closes_at": "2026-09-20T00:00:00Z"}, "2026-09-20T00:00:01Z", "closed"),
        ({}, "2026-10-01T14:00:00Z", "ended"),
    ],
)
async def test_the_time_of_the_message_decides_whether_it_is_too_late(
    front: Front, over: dict[str, object], time: str, reason: str
) -> None:
    await front.take(
        front.event(**over),
        front.submitted(1, time="2026-09-19T00:00:00Z"),
        front.submitted(2, time=time),
    )
    (rejected,) = await front.said(RegistrationRejected)
    assert rejected.reason.endswith(reason)


async def test_nobody_is_in_time_by_a_clock_that_was_never_set(front: Front) -> None:
    closed = front.event(registration_closes_at="2026-08-20T00:00:00Z")
    await front.take(closed, front.submitted(1, time="1970-01-01T00:00:00Z"))
    (rejected,) = await front.said(RegistrationRejected)
    assert rejected.reason == "registration_closed"


async def test_nobody_is_too_late_by_a_time_that_no_clock_shows(front: Front) -> None:
    await front.take(front.event(), front.submitted(1, time="9999-12-31T23:59:59Z"))
    assert len(await front.said(ParticipantRegistered)) == 1


async def test_an_answer_for_a_purpose_that_the_plan_does_not_allow_is_dropped(
    front: Front,
) -> None:
    form = [
        *FORM,
        form_field("pickup", "transport.pickup", "marketing"),
        form_field("book", "accounting.reference", "accounting", required=True),
    ]
    await front.take(front.event(form=form), front.submitted(1, answers={"pickup": "station"}))
    (registered,) = await front.said(ParticipantRegistered)
    assert set(registered.personal) == {"contact"}


@pytest.mark.parametrize(
    ("over", "detail"),
    [
        ({"unit": "nobody"}, "unit is not a unit of the plan"),
        ({"vat_class": "none"}, "vat_class is not a VAT class of the plan"),
        ({"recipients": ["hotel", "x"]}, "recipients.1 is not a recipient of the plan"),
        (
            {"form": [*FORM, form_field("x", "contact.shoe_size", "event-arrangement")]},
            f"form.{len(FORM)}.field is not a field of the plan",
        ),
        (
            {"form": [*FORM, form_field("x", "contact.phone", "curiosity")]},
            f"form.{len(FORM)}.purpose is not a purpose of the plan",
        ),
    ],
)
async def test_an_event_that_names_what_the_plan_lacks_is_a_dead_letter(
    front: Front, over: dict[str, object], detail: str
) -> None:
    await front.take(front.event(**over))
    assert await front.dead_letters() == [("field_invalid", detail)]


async def test_a_thousand_registrations_share_their_statements(front: Front) -> None:
    await front.take(front.event(), *(front.submitted(n) for n in range(1000)))
    assert len(await front.said(ParticipantRegistered)) == 1000
    (event,) = await front.rows("select places_taken, waitlisted from registration.event")
    assert tuple(event) == (1000, 0)
