"""Who holds an event waits for nobody: people are identified before it, also those who waited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from itertools import count
from typing import Any

import pytest

from services.registration import store
from services.registration.handlers import periodic, waiting
from services.registration.handlers.batches import Handlers
from services.registration.handlers.events import offer_events
from shared.contract.codec import decode
from shared.contract.message import Message
from shared.contract.registration import ParticipantRegistered
from shared.messaging.unit_of_work import Transaction
from shared.privacy.subjects import Alias
from shared.runtime.database import Connection
from tests.registration.conftest import FORM, Front, form_field
from tests.support.people import whom_it_leads_to
from tests.support.waiting import until_somebody_waits


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[Transaction]:
    """Those that would have begun again, had they been let."""
    asked: list[Transaction] = []

    def ask(transaction: Transaction) -> None:
        asked.append(transaction)

    monkeypatch.setattr(Transaction, "begin_again", ask)
    return asked


async def _beside_who_knows(front: Front, number: int, work: Awaitable[object]) -> None:
    """Do it while another batch has just made the same person known and comes to the event."""
    async with front.transaction() as other:
        people = front.desk.privacy.people
        await people.identify(other.connection, [[Alias("email", f"p{number}@example.org")]])
        working = asyncio.ensure_future(work)
        await until_somebody_waits(front.administrator.fetchval)
        await store.lock_events(other.connection, [front.desk.event_reference("E-1")])
    await working


async def test_who_waited_for_an_event_is_identified_before_it_is_opened(front: Front) -> None:
    await front.take(front.submitted(1))
    await _beside_who_knows(front, 1, front.take(front.event()))
    assert len(await front.said(ParticipantRegistered)) == 1
    assert await front.outcomes() == {"accepted": 2}


async def test_who_comes_with_the_announcement_is_identified_before_it(front: Front) -> None:
    await _beside_who_knows(front, 1, front.take(front.event(), front.submitted(1)))
    assert len(await front.said(ParticipantRegistered)) == 1


async def test_whose_event_is_opened_meanwhile_is_identified_before_it_is_held(
    front: Front,
) -> None:
    """The batch did not know the event when it looked, and knows it once it holds it."""
    announced: Any = decode(front.event())
    handlers, people = Handlers(front.desk), front.desk.privacy.people
    async with front.transaction() as other:
        await people.identify(other.connection, [[Alias("email", "p1@example.org")]])
        async with front.transaction() as opening:
            await handlers.prepare(opening, [announced])
            working = asyncio.ensure_future(front.take(front.submitted(1)))
            await until_somebody_waits(front.administrator.fetchval)
            await handlers.announce(opening, [announced])
        await until_somebody_waits(front.administrator.fetchval)
        await store.lock_events(other.connection, [front.desk.event_reference("E-1")])
    await working
    assert await front.outcomes() == {"accepted": 1}


async def test_who_comes_with_a_changed_form_is_read_by_that_at_once(
    front: Front, tries: list[Transaction]
) -> None:
    await front.take(front.event())
    organisation = form_field("organisation", "contact.organisation", "event-arrangement")
    await front.take(
        front.event(sequence=2, form=[*FORM, organisation]),
        front.submitted(1, answers={"organisation": "Esimerkki ry"}),
    )
    (fact,) = await front.said(ParticipantRegistered)
    contact = await front.opened(fact.subject_id, "contact", fact.personal["contact"])
    assert contact["organisation"] == "Esimerkki ry"
    assert not tries, "it was ready"


async def test_the_rest_of_a_backlog_is_identified_before_its_event_is_held(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_AT_ONCE", 1)
    await front.take(front.submitted(1), front.submitted(2))
    await front.take(front.event())
    await front.said(ParticipantRegistered)
    await _beside_who_knows(front, 2, front.work(periodic.handle_ready))
    assert len(await front.said(ParticipantRegistered)) == 1


async def test_who_was_made_ready_for_an_event_that_another_opens_is_asked_again(
    front: Front,
) -> None:
    """The other announcement is the later one, and its form has no telephone."""
    form = [
        form_field("name", "contact.name", "event-arrangement", required=True),
        form_field("email", "contact.email", "event-arrangement", type="email", required=True),
    ]
    later: Any = decode(front.event(sequence=2, form=form))
    assert isinstance(later, Message)
    handlers = Handlers(front.desk)
    async with front.transaction() as other:
        await handlers.prepare(other, [later])
        with_phone = front.submitted(1, answers={"phone": "+358401234567"})
        working = asyncio.ensure_future(front.take(front.event(), with_phone))
        await until_somebody_waits(front.administrator.fetchval)
        await handlers.announce(other, [later])
    await working
    (fact,) = await front.said(ParticipantRegistered)
    contact = await front.opened(fact.subject_id, "contact", fact.personal["contact"])
    assert contact == {"name": "Person 1", "email": "p1@example.org"}
    (event,) = await front.rows("select id, sequence from registration.event")
    assert (event["id"], event["sequence"]) == (fact.event.event_id, 2)


async def test_who_comes_while_somebody_leaves_a_full_event_is_identified_before_it(
    front: Front,
) -> None:
    await front.take(front.event(capacity=1), front.submitted(1))
    await front.said(ParticipantRegistered)
    batch = [front.taken_back(1), *(front.submitted(number) for number in (2, 3, 4))]
    await _beside_who_knows(front, 2, front.take(*batch))
    assert len(await front.said(ParticipantRegistered)) == 1
    assert await front.outcomes() == {"accepted": 4, "refused": 2}


async def test_a_place_that_is_given_back_in_the_batch_is_foreseen(
    front: Front, tries: list[Transaction]
) -> None:
    await front.take(front.event(capacity=1), front.submitted(1))
    await front.take(front.taken_back(1), front.submitted(2))
    assert not tries, "it was ready"
    assert await front.outcomes() == {"accepted": 4}


async def test_of_an_event_that_is_full_and_nobody_leaves_nobody_is_made_known(
    front: Front,
) -> None:
    other = front.event(event_number="E-2")
    await front.take(front.event(capacity=1), front.submitted(1), other)
    await front.take(front.submitted(2, event_number="E-2"))
    await front.take(front.taken_back(2), front.submitted(3))
    async with front.pool.acquire() as connection:
        people = front.desk.privacy.people
        assert await whom_it_leads_to(people, connection, [Alias("email", "p3@example.org")]) == [
            None
        ]


async def test_an_address_that_the_form_asks_for_no_more_is_no_fault(front: Front) -> None:
    """It passed as one, and was found to be none before the event was held."""
    await front.take(front.event())
    only_name = [form_field("name", "contact.name", "event-arrangement", required=True)]
    later: Any = decode(front.event(sequence=2, form=only_name))
    handlers = Handlers(front.desk)
    async with front.transaction() as other:
        await handlers.prepare(other, [later])
        no_address = front.submitted(1, answers={"email": "a@-example-.org"})
        working = asyncio.ensure_future(front.take(no_address))
        await until_somebody_waits(front.administrator.fetchval)
        await handlers.announce(other, [later])
    await working
    assert await front.dead_letters() == []
    (fact,) = await front.said(ParticipantRegistered)
    contact = await front.opened(fact.subject_id, "contact", fact.personal["contact"])
    assert contact == {"name": "Person 1"}


async def test_a_batch_that_finds_another_event_twice_begins_again_once(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between each look and its lock somebody else changes the form."""
    await front.take(front.event())
    lock, changes = store.lock_events, count(2)

    async def lock_later(connection: Connection, references: Collection[bytes]) -> None:
        sequence = next(changes)
        extra = form_field(f"organisation-{sequence}", "contact.organisation", "event-arrangement")
        announced: Any = decode(front.event(sequence=sequence, form=[*FORM, extra]))
        async with front.transaction() as other:
            await lock(other.connection, references)
            await offer_events(front.desk, other, [front.desk.request(announced)], {})
        await lock(connection, references)

    monkeypatch.setattr(store, "lock_events", lock_later)
    answers = {"organisation-2": "Toinen ry", "organisation-3": "Kolmas ry"}
    await front.take(front.submitted(1, answers=answers))
    assert next(changes) == 4, "it looked twice"
    (fact,) = await front.said(ParticipantRegistered)
    contact = await front.opened(fact.subject_id, "contact", fact.personal["contact"])
    assert contact["organisation"] == "Kolmas ry"
    assert await front.outcomes() == {"accepted": 2}


async def test_of_a_refused_announcement_nobody_is_made_known(front: Front) -> None:
    await front.take(front.submitted(1))
    await front.take(front.event(unit="nobody's"))
    assert await front.outcomes() == {"waiting": 1, "dead_letter": 1}
    async with front.pool.acquire() as connection:
        people = front.desk.privacy.people
        assert await whom_it_leads_to(people, connection, [Alias("email", "p1@example.org")]) == [
            None
        ]
