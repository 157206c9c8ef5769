"""What an earlier try put into the folder, without a word of it, and nobody may have any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from services.registration.handlers.by_hand import ByHand
from services.registration.handlers.delivering import csv_of
from shared.contract.audit import DisclosureWithheld
from shared.privacy.handovers import Delivery
from shared.privacy.outgoing import OutgoingFolder
from shared.privacy.ports import HandoverStep, NotTakenBackError
from shared.privacy.results import told
from tests.registration.conftest import Front
from tests.registration.handing import (
    Given,
    dies_while_handing_over,
    left,
    people_on,
    say_consent,
    say_objection,
    states,
    three_people,
)


@pytest.fixture
async def given(front: Front, tmp_path: Path) -> Given:
    made = await three_people(front, tmp_path / "outgoing")
    await say_consent(made)
    return made


@pytest.mark.parametrize("step", ["written", "delivered"])
async def test_where_nobody_is_left_nothing_is_delivered_and_what_lay_there_is_removed(
    given: Given, step: HandoverStep
) -> None:
    await dies_while_handing_over(given, step)
    assert len(given.lists()) == 1
    for person in (0, 1):
        await say_objection(given, person)
    result = await given.deliveries().deliver_due()
    assert result is not None
    assert result.state == "withheld"
    assert given.lists() == []
    withheld = await given.front.said(DisclosureWithheld)
    assert [one.reason for one in withheld] == ["objected", "objected"]
    assert (await left(given), await states(given)) == (0, ["withheld"])
    assert await given.deliveries().deliver_due() is None


@pytest.mark.parametrize("step", ["written", "delivered"])
async def test_what_is_given_up_lies_in_the_folder_no_more(
    given: Given, step: HandoverStep
) -> None:
    await dies_while_handing_over(given, step)
    (path,) = given.lists()
    result = await given.deliveries().give_up(UUID(path.name.removeprefix(".").partition(".")[0]))
    assert result is not None
    assert result.state == "withheld"
    assert given.lists() == []


@dataclass
class SlowFolder:
    """While a file is on its way into it something else happens."""

    folder: OutgoingFolder
    meanwhile: Callable[[UUID], Awaitable[object]]

    async def deliver(self, delivery: Delivery) -> str:
        await self.meanwhile(delivery.id)
        return await self.folder.deliver(delivery)

    async def take_back(self, delivery: Delivery) -> None:
        await self.folder.take_back(delivery)


async def test_what_is_given_up_while_it_is_written_lies_in_the_folder_no_more(
    given: Given,
) -> None:
    await dies_while_handing_over(given, "left")
    await given.front.facts()
    folder = OutgoingFolder(given.folder, partial(csv_of, given.front.desk))
    slow = SlowFolder(folder, given.deliveries().give_up)
    result = await replace(given.deliveries(), ports={"folder": slow}).deliver_due()
    assert result is not None
    assert result.state == "withheld"
    assert given.lists() == []
    assert [type(fact) for fact in await given.front.facts()] == [DisclosureWithheld] * 2
    assert await states(given) == ["withheld"]


@pytest.mark.parametrize(
    ("way", "output", "state"),
    [
        ("folder", None, "waits"),
        ("folder", "by-hand.csv", "waits"),
        ("folder", "-", "waits"),
        ("hand", "by-hand.csv", "failed"),
    ],
)
async def test_who_was_stopped_before_writing_leaves_a_list_to_others(
    given: Given, way: str, output: str | None, state: str, tmp_path: Path
) -> None:
    """As a machine that slept: who withdrew meanwhile would be on a list again."""
    path = None if output is None else tmp_path / output
    await dies_while_handing_over(given, "left", output=path if way == "hand" else None)

    def sleep(at: HandoverStep) -> None:
        if at == "taken":
            given.later()

    (row,) = await given.front.rows("select delivery_id from registration.delivery")
    by_hand = None if path is None else ByHand(given.front.desk, path)
    slept = await replace(given.deliveries(sleep), by_hand=by_hand).deliver(row["delivery_id"])
    assert slept is not None
    assert (slept.state, slept.reason) == (state, "interrupted")
    assert given.lists() == []
    assert path is None or not path.exists()
    await say_objection(given, 0)
    result = await given.deliveries().deliver_due()
    assert result is not None
    assert result.state == ("delivered" if way == "folder" else "failed")
    assert [people_on(one) for one in given.lists()] == [["Person 2"]] * (way == "folder")


@pytest.mark.parametrize("left_in_it", [["Person 2"], []])
async def test_what_somebody_takes_by_hand_lies_in_the_folder_no_more(
    given: Given, left_in_it: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    await dies_while_handing_over(given, "delivered")
    (lain,) = given.lists()
    await say_objection(given, 0)
    if not left_in_it:
        await say_objection(given, 1)
    taken = ByHand(given.front.desk, path)
    result = await replace(given.deliveries(), by_hand=taken).deliver(UUID(lain.stem))
    assert result is not None
    assert result.state == ("delivered" if left_in_it else "withheld")
    assert (people_on(path) if path.exists() else []) == left_in_it
    assert given.lists() == []


class KeptFolder(OutgoingFolder):
    """Nothing can be removed from it."""

    async def take_back(self, delivery: Delivery) -> None:
        raise PermissionError(13, "Permission denied")


async def test_what_cannot_be_taken_from_the_folder_is_not_taken_by_hand_either(
    given: Given, tmp_path: Path
) -> None:
    await dies_while_handing_over(given, "delivered")
    (lain,) = given.lists()
    deliveries = replace(
        given.deliveries(),
        ports={"folder": KeptFolder(given.folder, lambda _: b"")},
        by_hand=ByHand(given.front.desk, tmp_path / "list.csv"),
    )
    result = await deliveries.deliver(UUID(lain.stem))
    assert result is not None
    assert (result.state, result.reason) == ("waits", "not-taken-back")
    assert "Permission denied" in told(result)
    assert not (tmp_path / "list.csv").exists()


async def test_what_cannot_be_taken_back_is_tried_again_and_nobody_is_said_to_be_left_out(
    given: Given,
) -> None:
    await dies_while_handing_over(given, "delivered")
    (lain,) = given.lists()
    for person in (0, 1):
        await say_objection(given, person)
    await given.front.facts()
    kept = replace(given.deliveries(), ports={"folder": KeptFolder(given.folder, lambda _: b"")})
    result = await kept.deliver_due()
    assert result is not None
    assert (result.state, result.reason) == ("waits", "not-taken-back")
    assert await kept.deliver_due() is None
    with pytest.raises(NotTakenBackError, match="folder cannot be removed: Permission denied"):
        await kept.give_up(UUID(lain.stem))
    assert await given.front.facts() == []
    assert given.lists() == [lain]
    given.later()
    result = await given.deliveries().deliver_due()
    assert result is not None
    assert result.state == "withheld"
    assert {one.may_have_reached for one in await given.front.said(DisclosureWithheld)} == {True}
    assert given.lists() == []
