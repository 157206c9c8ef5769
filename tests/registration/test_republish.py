"""Events and registrations said again, as they stand: `steward registration republish`."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.registration.commands.counter import Counter, republish_all
from services.registration.handlers.republish import republish_registrations
from shared.contract.registration import (
    AnsweredConsents,
    EventOpened,
    ParticipantRegistered,
    RegistrationCancelled,
    RegistrationWaitlisted,
)
from shared.contract.types import Money
from tests.registration.conftest import Front
from tests.registration.handing import Given, three_people

FEE = {"fee": {"minor_units": 4990, "currency": "EUR"}, "vat_class": "standard"}
MORE = {"fee": {"minor_units": 6990, "currency": "EUR"}, "vat_class": "reduced"}


@pytest.fixture
async def given(front: Front, tmp_path: Path) -> Given:
    return await three_people(front, tmp_path / "outgoing")


@pytest.fixture
def counter(given: Given) -> Counter:
    return given.counter()


async def test_everything_can_be_said_again(given: Given, counter: Counter) -> None:
    assert await republish_all(counter) == 4
    facts = await given.front.facts()
    assert isinstance(facts[0], EventOpened)
    assert facts[1:] == given.people


async def test_who_waits_and_who_cancelled_is_said_again_too(
    given: Given, counter: Counter
) -> None:
    front = given.front
    full = front.event(event_number="E-2", capacity=1, waiting_list=True)
    await front.take(full, *(front.submitted(n, event_number="E-2") for n in (11, 12, 13)))
    await front.take(front.taken_back(1))
    before = await front.facts()
    (gone,) = [fact for fact in before if isinstance(fact, RegistrationCancelled)]
    waiting = [fact for fact in before if isinstance(fact, RegistrationWaitlisted)]
    assert len(waiting) == 2
    await republish_all(counter)
    again = await front.facts()
    assert [fact for fact in again if isinstance(fact, RegistrationWaitlisted)] == waiting
    (said_again,) = [fact for fact in again if isinstance(fact, RegistrationCancelled)]
    before_that = given.people[0]
    answered = AnsweredConsents(
        consents=before_that.consents,
        source=before_that.source,
        collected_at=before_that.registered_at,
    )
    assert said_again == gone.model_copy(
        update={"categories": ("contact", "diet", "networking"), "answered": answered}
    )
    assert gone.categories == (), "who heard of the registration knows"
    assert gone.answered is None
    assert len([fact for fact in again if isinstance(fact, ParticipantRegistered)]) == 3


async def test_a_place_is_told_of_with_what_it_cost_whatever_the_event_costs_now(
    front: Front, given: Given, counter: Counter
) -> None:
    room = {"event_number": "E-3", "capacity": 2, "waiting_list": True}
    people = [front.submitted(n, event_number="E-3") for n in (31, 32, 33)]
    await front.take(front.event(**room), people[0])
    await front.take(front.event(**room, **FEE, sequence=2), *people[1:])
    await front.take(front.event(**room, **MORE, sequence=3), front.taken_back(31))
    said = {
        fact.registration_id: (fact.event.fee, fact.event.vat_class)
        for fact in await front.said(ParticipantRegistered)
    }
    assert list(said.values()) == [
        (None, None),
        (Money.model_validate(FEE["fee"]), "standard"),
        (Money.model_validate(MORE["fee"]), "reduced"),
    ], "free, with the first fee, and moved up when it was higher"
    await front.take(front.event(**room, sequence=4))
    await front.facts()
    await republish_all(counter)
    again = {
        fact.registration_id: (fact.event.fee, fact.event.vat_class)
        for fact in await front.facts()
        if isinstance(fact, ParticipantRegistered | RegistrationCancelled)
    }
    assert {one: again[one] for one in said} == said


async def test_what_nobody_noted_the_price_of_is_told_of_with_that_of_the_event(
    front: Front, given: Given, counter: Counter
) -> None:
    """As of registrations from before prices were kept, and of processes of an earlier release."""
    await front.take(
        front.event(event_number="E-3", **FEE), front.submitted(31, event_number="E-3")
    )
    await front.rows("update registration.registration set charge = null")
    (said,) = await front.said(ParticipantRegistered)
    await republish_all(counter)
    again = [one for one in await front.said(ParticipantRegistered) if one == said]
    assert [one.event.fee for one in again] == [Money.model_validate(FEE["fee"])]


async def test_what_a_cancellation_says_meanwhile_comes_behind_what_is_said_again(
    front: Front, given: Given
) -> None:
    """Else a reader who missed the registration would take it for one that stands."""
    reference = front.desk.event_reference("E-1")
    locked = "select pg_try_advisory_xact_lock(1919248499, $1)"
    bucket = int.from_bytes(reference[:4]) % 1024
    async with front.transaction() as tx:
        await republish_registrations(tx, None)
        assert not await front.administrator.fetchval(locked, bucket)
    assert await front.administrator.fetchval(locked, bucket)
