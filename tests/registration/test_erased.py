"""What registration makes of facts that come after keys were destroyed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from shared.contract.message import Message
from shared.contract.registration import ParticipantRegistered, ParticipantUpdated
from shared.messaging.unit_of_work import Transaction
from shared.privacy.office import PrivacyOffice, Scope
from tests.conftest import SettingsFactory
from tests.registration.conftest import NOW, Front, consent
from tests.support.work import Work, service_at_work

MINUTE = timedelta(minutes=1)
BEFORE, AFTER, AHEAD = (str(NOW + n * MINUTE).replace(" ", "T") for n in (-1, 1, 180))
DIET = {"diet": "no nuts"}
CONSENTS = [consent("dietary-needs")]


@pytest.fixture
async def retention(service_settings: SettingsFactory) -> AsyncIterator[Work]:
    async with service_at_work(service_settings, "retention") as work:
        yield work


async def destroy(retention: Work, scope: Scope) -> None:
    """The keys of the scope, up to now."""
    office = PrivacyOffice(retention.parts.privacy, "cli:tester")

    async def work(tx: Transaction, _: Sequence[Message[Any]]) -> None:
        await office.destroy(tx, scope, NOW)

    await retention.do(work, [])


async def kept(front: Front) -> set[str]:
    """The categories that the one registration that was said carries."""
    (fact,) = await front.said(ParticipantRegistered)
    return set(fact.personal)


async def test_a_registration_from_before_an_erasure_adds_nothing_wherever_it_is_for(
    front: Front, retention: Work
) -> None:
    await front.take(
        front.event(), front.event(event_number="E-2"), front.event(event_number="E-3")
    )
    await front.take(front.submitted(1, time=BEFORE, answers=DIET, consents=CONSENTS))
    (fact,) = await front.said(ParticipantRegistered)
    assert set(fact.personal) == {"contact", "diet"}
    await destroy(retention, Scope((fact.subject_id,)))
    same = {"name": "Person 1", "email": "p1@example.org"}
    await front.take(front.submitted(11, answers=same, event_number="E-2", time=BEFORE))
    assert await kept(front) == set()
    front.now = NOW + 2 * MINUTE
    await front.take(front.submitted(12, answers=same, event_number="E-3", time=AFTER))
    (again,) = await front.said(ParticipantRegistered)
    assert (again.subject_id, set(again.personal)) == (fact.subject_id, {"contact"})


async def test_whoever_registered_before_an_event_was_erased_leaves_nothing_at_it(
    front: Front, retention: Work
) -> None:
    await front.take(front.event(), front.event(event_number="E-2"))
    await front.take(front.submitted(1, time=BEFORE))
    (fact,) = await front.said(ParticipantRegistered)
    await destroy(retention, Scope(event_id=fact.event.event_id))
    await front.take(front.submitted(2, time=BEFORE, answers=DIET, consents=CONSENTS))
    assert await kept(front) == set()
    await front.take(front.submitted(3, event_number="E-2", time=BEFORE))
    assert await kept(front) == {"contact"}


async def test_of_a_class_that_was_erased_older_facts_lack_the_categories_alone(
    front: Front, retention: Work
) -> None:
    await front.take(front.event())
    await destroy(retention, Scope(retention_class="diet"))
    await front.take(front.submitted(1, time=BEFORE, answers=DIET, consents=CONSENTS))
    assert await kept(front) == {"contact"}
    front.now = NOW + 2 * MINUTE
    await front.take(front.submitted(2, time=AFTER, answers=DIET, consents=CONSENTS))
    assert await kept(front) == {"contact", "diet"}


async def test_a_correction_brings_nothing_back_that_rested_on_a_consent(
    front: Front, retention: Work
) -> None:
    yes = [consent("marketing")]
    await front.take(front.event(), front.event(event_number="E-2"))
    await front.take(front.submitted(1, time=BEFORE, consents=yes))
    assert await kept(front) == {"contact", "marketing"}
    await destroy(retention, Scope(retention_class="marketing"))
    front.now = NOW + 2 * MINUTE
    await front.take(front.changed(1, {"email": "p1@example.net"}, time=AFTER))
    (updated,) = await front.said(ParticipantUpdated)
    assert set(updated.personal) == {"contact"}, "and the correction itself is kept"
    alive = "select from keyring.data_key where category = 'marketing' and wrapped is not null"
    assert await front.rows(alive) == []
    same = {"name": "Person 1", "email": "p1@example.org"}
    await front.take(
        front.submitted(11, answers=same, event_number="E-2", time=AFTER, consents=yes)
    )
    assert await kept(front) == {"contact", "marketing"}, "a later yes is for what came with it"
    await front.take(front.changed(1, {"name": "Person One"}, time=AFTER))
    (updated,) = await front.said(ParticipantUpdated)
    assert set(updated.personal) == {"contact"}


async def test_a_clock_that_runs_ahead_brings_no_registration_past_an_erasure(
    front: Front, retention: Work
) -> None:
    front.now = NOW - MINUTE
    await front.take(front.submitted(1, time=AHEAD, answers=DIET, consents=CONSENTS))
    await destroy(retention, Scope(retention_class="diet"))
    front.now = NOW + MINUTE
    await front.take(front.event())
    (fact,) = await front.said(ParticipantRegistered)
    assert set(fact.personal) == {"contact"}
    assert fact.registered_at == NOW - MINUTE, "when the broker took it"


async def test_a_clock_that_runs_ahead_brings_no_correction_past_an_erasure(
    front: Front, retention: Work
) -> None:
    front.now = NOW - MINUTE
    await front.take(front.event(), front.submitted(1))
    correction = front.changed(1, {"name": "Person One"}, time=AHEAD)
    await destroy(retention, Scope(retention_class="event-data"))
    front.now = NOW + MINUTE
    await front.take(correction)
    (updated,) = await front.said(ParticipantUpdated)
    assert set(updated.personal) == set()
    assert updated.updated_at == NOW - MINUTE
