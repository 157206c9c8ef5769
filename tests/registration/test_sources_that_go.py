"""What waits, and may not be sent any more under the plan that is in force by then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.registration.handlers import periodic, waiting
from services.registration.handlers.desk import SERVICE, Desk
from services.registration.subscribers import subscriptions
from shared.contract.registration import ParticipantRegistered
from shared.messaging.dead_letters import find_dead_letters, list_dead_letters
from shared.messaging.redrive import Redrive
from tests.conftest import SettingsFactory
from tests.registration.conftest import NOW, WEBSITE, Front
from tests.support.applied import apply
from tests.support.plans import TEXT, changed, without
from tests.support.taking import processor_of
from tests.support.work import service_at_work

WITHOUT_WEBSITE = without("[sources.website]", "[sources.website.maps]")
NO_REGISTRATIONS = changed(
    ('"WithdrawalRequested", "RegistrationSubmitted",', '"WithdrawalRequested",')
)
EACH = pytest.mark.parametrize(
    ("text", "reason"),
    [(WITHOUT_WEBSITE, "source_unknown"), (NO_REGISTRATIONS, "type_not_allowed")],
)


@pytest.fixture
async def planned(front: Front, service_settings: SettingsFactory) -> AsyncIterator[Front]:
    """The same service, under the plan that is in force."""
    async with service_at_work(service_settings, SERVICE) as work:
        desk = Desk(work.parts.privacy)
        service = work.parts.service(work.settings, subscriptions(desk))
        processor = processor_of(service, now=NOW)
        yield replace(front, desk=desk, service=service, processor=processor)


async def change_plan(front: Front, database: str, folder: Path, text: str) -> None:
    await apply(database, folder, text)
    await front.processor.renew_plan()


@EACH
async def test_an_event_is_opened_whatever_became_of_a_source_of_which_something_waits(
    planned: Front, database: str, tmp_path: Path, text: str, reason: str
) -> None:
    await planned.take(planned.submitted(1), planned.submitted(2, source=WEBSITE))
    await change_plan(planned, database, tmp_path, text)
    await planned.take(planned.event())
    assert await planned.outcomes() == {"accepted": 2, "dead_letter": 1}
    assert len(await planned.said(ParticipantRegistered)) == 1
    (letter,) = await list_dead_letters(planned.pool)
    assert (letter.reason, letter.type) == (reason, "RegistrationSubmitted")


@EACH
async def test_the_rest_of_a_backlog_is_handled_whatever_became_of_a_source(
    planned: Front,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    reason: str,
) -> None:
    monkeypatch.setattr(waiting, "MOST_AT_ONCE", 1)
    by_website = planned.submitted(2, source=WEBSITE)
    await planned.take(planned.submitted(1), by_website, planned.submitted(3))
    await planned.take(planned.event())
    await change_plan(planned, database, tmp_path, text)
    for _ in range(2):
        await planned.work(periodic.handle_ready)
    assert await planned.outcomes() == {"accepted": 3, "dead_letter": 1}
    assert [found for found, _ in await planned.dead_letters()] == [reason]


async def test_what_was_set_aside_for_its_source_is_handled_once_the_plan_has_it_again(
    planned: Front, database: str, tmp_path: Path
) -> None:
    await planned.take(planned.submitted(1, source=WEBSITE))
    await change_plan(planned, database, tmp_path, WITHOUT_WEBSITE)
    await planned.take(planned.event())
    await change_plan(planned, database, tmp_path, TEXT)
    redriven = await Redrive(planned.service).run(await find_dead_letters(planned.pool))
    assert (redriven.handled, redriven.failed) == (1, [])
    assert await planned.outcomes() == {"accepted": 2}
