"""Nothing leaves that may be decided about by what is not heard yet."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from services.registration.commands.counter import NotDeliveredError
from services.registration.handlers import delivering
from shared.contract.audit import DisclosureRefused
from shared.contract.registration import ParticipantRegistered
from shared.privacy.deliveries import BEGUN_WITHIN
from shared.runtime.cluster import Cluster
from shared.runtime.log_ends import LogEnds
from tests.registration.conftest import FORM, HEARD, Front, form_field
from tests.registration.handing import (
    DIETS,
    Given,
    dies_while_handing_over,
    say_consent,
    three_people,
)


@pytest.fixture
async def given(front: Front, tmp_path: Path) -> Given:
    return await three_people(front, tmp_path / "outgoing")


@pytest.mark.parametrize(
    "unheard",
    [
        HEARD | {"consent": {0: 1}},
        HEARD | {"inbound.registrations": {0: 1_000_000}},
        {topic: ends for topic, ends in HEARD.items() if topic != "consent"},
    ],
)
async def test_while_a_no_may_be_unheard_nobody_is_disclosed(
    given: Given, unheard: LogEnds
) -> None:
    await say_consent(given)
    given.log_ends = unheard
    with pytest.raises(NotDeliveredError, match="not all is read"):
        await given.hand_over()
    reasons = {refused.reason for refused in await given.front.said(DisclosureRefused)}
    assert reasons == {"projection-behind"}
    assert given.lists() == []


async def test_no_part_of_a_list_leaves_while_another_part_may_be_decided_by_what_is_unheard(
    front: Front, tmp_path: Path
) -> None:
    """Names without the diets would tell the caterer that nobody has one."""
    form = [form_field("name", "contact.name", "catering", required=True), *FORM[1:]]
    await front.take(
        front.event(form=form),
        front.submitted(1, answers={"diet": "no nuts"}, consents=[DIETS]),
    )
    given = Given(front, tmp_path / "outgoing", await front.said(ParticipantRegistered))
    await say_consent(given)
    given.log_ends = HEARD | {"consent": {0: 1}}
    with pytest.raises(NotDeliveredError, match="Nothing was disclosed"):
        await given.hand_over()
    refused = await given.front.said(DisclosureRefused)
    assert {(one.purpose, one.reason) for one in refused} == {
        ("catering", "projection-behind"),
        ("dietary-needs", "projection-behind"),
    }
    assert await given.deliveries().deliver_due() is None
    assert given.lists() == []


@pytest.mark.parametrize(
    ("stopped_for", "state"),
    [(BEGUN_WITHIN - timedelta(seconds=1), "delivered"), (BEGUN_WITHIN, "waits")],
)
async def test_who_has_just_waited_for_all_to_be_heard_does_not_wait_again_unless_it_was_stopped(
    given: Given, stopped_for: timedelta, state: str
) -> None:
    await say_consent(given)
    await dies_while_handing_over(given, "left")
    given.later()
    deliveries = given.deliveries().knowing(HEARD)
    given.log_ends = HEARD | {"consent": {0: 1}}
    given.later(stopped_for)
    result = await deliveries.deliver_due()
    assert result is not None
    assert result.state == state


async def test_a_long_outbox_is_not_waited_for_to_its_end(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readiness, a stop and the loop's own heartbeat would wait for it."""

    async def log_ends(*_: object, **__: object) -> LogEnds:
        return {"inbound.registrations": {}, "retention": {}}

    async def facts_leave_for_ever(*_: object, **__: object) -> int:
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(delivering, "log_ends", log_ends)
    monkeypatch.setattr(delivering, "published", facts_leave_for_ever)
    ends = await delivering.ends_of_what_decides(given.front.pool, Cluster("127.0.0.1:1"), 0.05)
    assert "consent" not in ends
