"""Whoever is written to at an address that they corrected can say no by that address."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.consent.handlers import Handlers
from services.registration import store
from services.registration.handlers.consents import keep_consents
from shared.contract.consent import ConsentWithdrawn
from shared.contract.registration import ParticipantRegistered, ParticipantUpdated
from shared.contract.types import SubjectId
from shared.privacy.office import PrivacyOffice, Scope
from shared.privacy.subjects import Alias
from tests.conftest import SettingsFactory
from tests.consent.answering import withdrawal
from tests.registration.conftest import NOW, Front, consent, form_field
from tests.support.facts import Facts
from tests.support.waiting import until_somebody_waits
from tests.support.work import service_at_work

MINUTE = timedelta(minutes=1)
BEFORE, AFTER = ((NOW + n * MINUTE).isoformat() for n in (-1, 1))
OLD, NEW = "p1@example.org", "new@example.org"
CORRECTED: dict[str, object] = {"email": NEW}
PHONE = "+358 40 123 4567"
NAME_AND_PHONE = [
    form_field("name", "contact.name", "event-arrangement", required=True),
    form_field("phone", "contact.phone", "event-arrangement", type="phone"),
]


async def known(front: Front, *addresses: str) -> list[SubjectId]:
    async with front.transaction() as tx:
        people = front.desk.privacy.people
        return await people.identify(tx.connection, [[Alias("email", one)] for one in addresses])


async def whom(front: Front, address: str) -> list[SubjectId]:
    """Everybody whom it stands for, whom it leads to first."""
    alias = Alias("email" if "@" in address else "phone", address)
    async with front.pool.acquire() as connection:
        (people,) = await front.desk.privacy.people.everybody(connection, [alias])
    return [subject_id for person in people for subject_id in person]


async def registered(front: Front) -> SubjectId:
    (fact,) = await front.said(ParticipantRegistered)
    return fact.subject_id


async def test_who_corrected_the_address_withdraws_by_it_and_is_written_to_no_more(
    front: Front, service_settings: SettingsFactory
) -> None:
    agreed = front.submitted(1, consents=[consent("marketing")])
    await front.take(front.event(), agreed)
    (fact,) = await front.said(ParticipantRegistered)
    await front.take(front.changed(1, CORRECTED))
    (updated,) = await front.said(ParticipantUpdated)
    async with service_at_work(service_settings, "consent") as work:
        handlers = Handlers(work.parts.privacy)
        told: list[Any] = [Facts().message(one, received_at=NOW) for one in (fact, updated)]
        await work.do(handlers.record_participants, told[:1])
        await work.do(handlers.correct_contacts, told[1:])
        assert await work.value("select sealed from contact") == updated.personal["marketing"]
        no = withdrawal("marketing", at=NOW + timedelta(hours=1), email=NEW)
        await work.do(handlers.record_contacts, [no])
        states = await work.rows("select subject_id, state from consent_state")
        assert [tuple(row) for row in states] == [(fact.subject_id, "withdrawn")]
        assert await work.value("select count(*) from contact") == 0


async def test_the_address_leads_to_the_person_and_so_does_the_old_one(front: Front) -> None:
    await front.take(front.event(), front.submitted(1))
    subject_id = await registered(front)
    await front.take(front.changed(1, CORRECTED))
    assert await whom(front, NEW) == await whom(front, OLD) == [subject_id]


async def test_an_address_that_another_has_stands_for_both(front: Front) -> None:
    (other,) = await known(front, NEW)
    await front.take(front.event(), front.submitted(1))
    subject_id = await registered(front)
    await front.take(front.changed(1, CORRECTED))
    assert await whom(front, NEW) == [other, subject_id]


async def test_a_telephone_number_counts_where_there_is_no_e_mail(front: Front) -> None:
    await front.take(front.event(), front.submitted(1))
    subject_id = await registered(front)
    await front.take(front.changed(1, {"phone": PHONE}))
    assert await whom(front, PHONE) == [], "the e-mail is what they are known by"
    only_phone = {"name": "Person 2", "phone": "+358 40 765 4321"}
    await front.take(
        front.event(event_number="E-2", form=NAME_AND_PHONE),
        front.submitted(2, event_number="E-2", answers=only_phone),
    )
    second = await registered(front)
    await front.take(front.changed(2, {"phone": PHONE}))
    assert await whom(front, PHONE) == [second] != [subject_id]


@pytest.mark.parametrize("before", ["the event", "the registration", "neither"])
async def test_a_correction_that_waited_for_something_leads_to_the_person_too(
    front: Front, before: str
) -> None:
    event, one, corrected = front.event(), front.submitted(1), front.changed(1, CORRECTED)
    batches = {
        "the event": [[one, corrected], [event]],
        "the registration": [[event, corrected], [one]],
        "neither": [[event, one, corrected]],
    }
    for batch in batches[before]:
        await front.take(*batch)
    assert await whom(front, NEW) == [await registered(front)]


async def test_a_correction_that_is_declined_or_wrong_leads_nowhere(front: Front) -> None:
    await front.take(front.event(), *(front.submitted(n) for n in (1, 2, 3, 4)))
    await front.take(front.taken_back(2))
    wrong: dict[str, object] = {"name": "", "email": "third@example.org"}
    late = "2026-10-02T00:00:00Z"
    await front.take(
        front.changed(1, CORRECTED, time=late),
        front.changed(2, {"email": "second@example.org"}),
        front.changed(3, wrong),
        front.changed(4, {"email": "a@-example-.org"}),
    )
    for address in (NEW, "second@example.org", "third@example.org"):
        assert await whom(front, address) == []
    assert await front.dead_letters() == [("field_missing", "answers.name is missing")]
    assert len(await front.said(ParticipantUpdated)) == 1, "that it is none, nobody could tell"


async def test_a_correction_with_a_wrong_answer_that_was_agreed_to_leads_nowhere(
    front: Front,
) -> None:
    agreed = front.submitted(1, consents=[consent("dietary-needs")])
    await front.take(front.event(), agreed)
    await front.take(front.changed(1, {**CORRECTED, "diet": "x" * 501}))
    said = "answers.diet is longer than 500 characters"
    assert await front.dead_letters() == [("field_invalid", said)]
    assert await whom(front, NEW) == []


async def test_an_address_that_was_agreed_to_and_taken_back_leads_nowhere(front: Front) -> None:
    form = [
        form_field("name", "contact.name", "event-arrangement", required=True),
        form_field("email", "contact.email", "dietary-needs", type="email"),
    ]
    await front.take(
        front.event(form=form), front.submitted(1, consents=[consent("dietary-needs")])
    )
    no = ConsentWithdrawn(
        subject_id=await registered(front),
        purpose="dietary-needs",
        at=NOW + MINUTE,
        plan_digest="00",
    )
    async with front.transaction() as tx:
        await keep_consents(tx, [Facts().message(no, received_at=NOW + MINUTE)])
    front.now = NOW + 2 * MINUTE
    await front.take(front.changed(1, CORRECTED))
    assert await whom(front, NEW) == []
    assert await front.dead_letters() == []


async def test_a_correction_that_something_else_of_its_batch_overtakes_leads_nowhere(
    front: Front,
) -> None:
    """A cancellation, also under another key; an end that is moved; what is wrong before it."""
    numbers = (1, 2, 3, 4)
    await front.take(
        front.event(),
        front.event(event_number="E-2"),
        *(front.submitted(number) for number in numbers[:3]),
        front.submitted(4, event_number="E-2"),
    )
    new = {number: f"new{number}@example.org" for number in numbers}
    corrected = {number: front.changed(number, {"email": new[number]}) for number in numbers}
    over = {"starts_at": "2026-08-01T06:00:00Z", "ends_at": "2026-08-01T14:00:00Z"}
    await front.take(
        front.taken_back(1),
        corrected[1],
        replace(corrected[2], key=b"another"),
        front.taken_back(2),
        front.changed(3, {"name": ""}),
        corrected[3],
        front.event(event_number="E-2", sequence=2, **over),
        corrected[4],
    )
    assert [await whom(front, address) for address in new.values()] == [[], [], [], []]
    assert await front.said(ParticipantUpdated) == []
    outcomes = await front.outcomes()
    assert (outcomes["refused"], outcomes["dead_letter"], outcomes["parked"]) == (3, 1, 1)


async def test_two_corrections_of_one_batch_lead_to_the_person_by_both(front: Front) -> None:
    await front.take(front.event(), front.submitted(1))
    subject_id = await registered(front)
    await front.take(front.changed(1, CORRECTED), front.changed(1, {"email": "newest@example.org"}))
    assert await whom(front, NEW) == await whom(front, "newest@example.org") == [subject_id]


async def test_what_was_corrected_before_an_erasure_leads_nowhere(
    front: Front, service_settings: SettingsFactory
) -> None:
    await front.take(front.event(), front.submitted(1))
    subject_id = await registered(front)
    async with service_at_work(service_settings, "retention") as retention:
        office = PrivacyOffice(retention.parts.privacy, "cli:tester")
        async with retention.parts.work(now=NOW) as tx:
            await office.destroy(tx, Scope((subject_id,)), NOW)
    await front.take(front.changed(1, CORRECTED, time=BEFORE))
    assert await known(front, NEW) != [subject_id]
    front.now = NOW + 2 * MINUTE
    await front.take(front.changed(1, {"email": "later@example.org"}, time=AFTER))
    assert await whom(front, "later@example.org") == [subject_id], "and they are somebody again"


async def test_who_corrects_an_address_waits_for_whom_it_is_before_the_event_is_held(
    front: Front,
) -> None:
    """The other batch makes somebody known by it, and comes to the event after that."""
    await front.take(front.event(), front.submitted(1))
    subject_id = await registered(front)
    async with front.transaction() as other:
        people = front.desk.privacy.people
        (stranger,) = await people.identify(other.connection, [[Alias("email", NEW)]])
        working = asyncio.ensure_future(front.take(front.changed(1, CORRECTED)))
        await until_somebody_waits(front.administrator.fetchval)
        await store.lock_events(other.connection, [front.desk.event_reference("E-1")])
    await working
    assert len(await front.said(ParticipantUpdated)) == 1
    assert await whom(front, NEW) == [stranger, subject_id]
