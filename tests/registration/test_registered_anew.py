"""Who cancels and registers anew for the same event, while a list with the former waits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from shared.contract.audit import DisclosureWithheld
from tests.registration.conftest import Front
from tests.registration.handing import (
    DIETS,
    LATER,
    Given,
    dies_while_handing_over,
    people_on,
    say_consent,
    say_yes_again,
    three_people,
)


@pytest.fixture
async def given(front: Front, tmp_path: Path) -> Given:
    made = await three_people(front, tmp_path / "outgoing")
    await say_consent(made)
    return made


@pytest.mark.parametrize("withdrawn", [False, True])
async def test_a_registration_anew_does_not_stand_for_the_one_that_was_cancelled(
    given: Given, withdrawn: bool
) -> None:
    """What was released is of the former: its diet may be wrong, or taken back."""
    await dies_while_handing_over(given, "left")
    if withdrawn:
        await say_consent(given, withdrawn=0)
    front = given.front
    front.now = LATER + timedelta(hours=1)
    answers = {"email": "p1@example.org", "diet": "vegan"}
    await front.take(
        front.taken_back(1),
        front.submitted(4, answers=answers, consents=[DIETS], time=front.now.isoformat()),
    )
    await say_yes_again(given, 0, front.now)
    result = await given.deliveries().deliver_due()
    assert result is not None
    (path,) = given.lists()
    assert people_on(path) == ["Person 2"]
    (withheld,) = await given.front.said(DisclosureWithheld)
    assert withheld.subject_id == given.people[0].subject_id
    assert withheld.reason == "no-longer-listed"


async def test_of_what_was_released_before_registrations_were_kept_with_it_nobody_is_judged(
    given: Given,
) -> None:
    await dies_while_handing_over(given, "left")
    await given.front.rows("update registration.handover_value set registration_id = null")
    result = await given.deliveries().deliver_due()
    assert result is not None
    assert result.state == "withheld"
    withheld = await given.front.said(DisclosureWithheld)
    assert [one.reason for one in withheld] == ["no-longer-listed", "no-longer-listed"]
