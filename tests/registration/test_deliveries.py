"""From the commit of a disclosure until its recipient has it: whoever dies in between, nothing is
lost, and the log says what happened.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import get_args
from uuid import UUID

import orjson
import pytest
from prometheus_client import REGISTRY

from services.registration.commands.counter import NotDeliveredError
from services.registration.handlers.by_hand import STANDARD_OUTPUT, ByHand
from shared.contract.audit import (
    DataDisclosed,
    DisclosureDelivered,
    DisclosureFailed,
    DisclosureWithheld,
    Entry,
)
from shared.contract.registry import MessageData
from shared.privacy.deliveries import MOST_TRIES
from shared.privacy.errors import KeyUnavailableError, SealError
from shared.privacy.handovers import Delivery, list_handovers
from shared.privacy.ports import HandoverStep
from shared.privacy.results import Result
from shared.runtime.application import Loop
from shared.runtime.health import Heartbeats
from shared.runtime.log_ends import LogEnds
from tests.registration.conftest import HEARD, Front
from tests.registration.handing import (
    Given,
    dies_at,
    dies_while_handing_over,
    left,
    people_on,
    say_consent,
    states,
    three_people,
)
from tests.support.messaging import Crash

STEPS: tuple[HandoverStep, ...] = get_args(HandoverStep)


@pytest.fixture
async def given(front: Front, tmp_path: Path) -> Given:
    made = await three_people(front, tmp_path / "outgoing")
    await say_consent(made)
    return made


def of(kind: type[Entry], facts: list[MessageData]) -> list[MessageData]:
    return [fact for fact in facts if isinstance(fact, kind)]


@pytest.mark.parametrize("step", STEPS)
async def test_who_dies_at_any_step_leaves_a_delivery_that_others_finish(
    given: Given, step: HandoverStep
) -> None:
    await dies_while_handing_over(given, step)
    before = {path: path.read_bytes() for path in given.lists() if path.suffix == ".csv"}
    result = await given.deliveries().deliver_due()
    assert (result is None) == (step == "recorded")
    (path,) = given.lists()
    facts = await given.front.facts()
    released, _ = of(DataDisclosed, facts)
    (delivered,) = of(DisclosureDelivered, facts)
    assert isinstance(released, DataDisclosed)
    assert isinstance(delivered, DisclosureDelivered)
    assert (delivered.disclosure_id, delivered.people) == (released.disclosure_id, 2)
    assert path.name == f"{released.disclosure_id}.csv"
    assert path.read_text("utf-8").count(str(released.disclosure_id)) == 2
    assert before in ({}, {path: path.read_bytes()}), "what comes again is the same"
    assert of(DisclosureFailed, facts) == []
    assert (await left(given), await states(given)) == (0, ["delivered"])
    assert await given.deliveries().deliver_due() is None


@pytest.mark.parametrize("step", ["left", "taken", "delivered"])
async def test_who_dies_with_a_list_in_hand_is_said_not_to_have_told_and_can_be_followed(
    given: Given, step: HandoverStep, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    await dies_while_handing_over(given, step, path)
    assert path.exists() == (step == "delivered")
    result = await given.deliveries().deliver_due()
    assert result is not None
    assert (result.state, result.reason) == ("failed", "interrupted")
    facts = await given.front.facts()
    (failed,) = facts[-1:]
    assert isinstance(failed, DisclosureFailed)
    assert failed.may_have_reached == (step != "left"), "nobody had taken it before that"
    assert of(DisclosureDelivered, facts) == []
    again = await in_hand(given, result, path)
    assert again is not None
    assert again.state == "delivered"
    assert people_on(path) == ["'=HYPERLINK(1)", "Person 2"]
    assert str(result.delivery.id) in path.read_text("utf-8")
    (delivered,) = await given.front.said(DisclosureDelivered)
    assert delivered.disclosure_id == result.delivery.id
    assert await left(given) == 0


async def in_hand(given: Given, result: Result, output: Path) -> Result | None:
    """As `steward disclosures resume` does."""
    taken = ByHand(given.front.desk, output)
    return await replace(given.deliveries(), by_hand=taken).deliver(result.delivery.id)


@pytest.mark.parametrize("step", ["left", "delivered"])
async def test_what_is_given_up_is_said_of_everybody_and_whether_it_may_have_reached(
    given: Given, step: HandoverStep, tmp_path: Path
) -> None:
    await dies_while_handing_over(given, step, tmp_path / "list.csv")
    result = await given.deliveries().deliver_due()
    assert result is not None
    given_up = await given.deliveries().give_up(result.delivery.id)
    assert given_up is not None
    assert given_up.state == "withheld"
    withheld = await given.front.said(DisclosureWithheld)
    assert [one.reason for one in withheld] == ["given-up", "given-up"]
    assert {one.may_have_reached for one in withheld} == {step == "delivered"}
    assert (await left(given), await states(given)) == (0, ["withheld"])
    assert await given.deliveries().give_up(result.delivery.id) is None


async def test_a_list_that_broke_off_halfway_may_have_reached_its_recipient(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout.write", broken)
        with pytest.raises(NotDeliveredError, match="Broken pipe"):
            await given.hand_over(output=STANDARD_OUTPUT)
    (failed,) = await given.front.said(DisclosureFailed)
    assert (failed.reason, failed.may_have_reached) == ("interrupted", True)
    await given.deliveries().give_up(failed.disclosure_id)
    assert {one.may_have_reached for one in await given.front.said(DisclosureWithheld)} == {True}


@pytest.mark.parametrize("step", ["left", "delivered"])
async def test_who_withdrew_or_objected_before_the_delivery_is_withheld_and_it_is_said(
    given: Given, step: HandoverStep
) -> None:
    await dies_while_handing_over(given, step)
    await say_consent(given, withdrawn=0)
    result = await given.deliveries().deliver_due()
    assert result is not None
    (path,) = given.lists()
    assert people_on(path) == ["Person 2"]
    facts = await given.front.facts()
    (withheld,) = of(DisclosureWithheld, facts)
    assert isinstance(withheld, DisclosureWithheld)
    assert withheld.subject_id == given.people[0].subject_id
    assert withheld.reason == "consent-missing"
    assert withheld.may_have_reached == (step == "delivered")
    (delivered,) = of(DisclosureDelivered, facts)
    assert isinstance(delivered, DisclosureDelivered)
    assert delivered.people == 1


async def test_who_was_erased_or_has_cancelled_before_the_delivery_is_not_in_it(
    given: Given,
) -> None:
    await dies_while_handing_over(given, "left")
    erased = given.people[0].subject_id
    await given.front.rows(
        "select * from keyring.destroy_keys(array[$1::uuid], array[null], array[null], now())",
        erased,
    )
    await given.front.take(given.front.taken_back(2))
    result = await given.deliveries().deliver_due()
    assert result is not None
    assert result.state == "withheld"
    withheld = await given.front.said(DisclosureWithheld)
    reasons = {one.subject_id: one.reason for one in withheld}
    assert reasons == {erased: "key-destroyed", given.people[1].subject_id: "no-longer-listed"}


async def test_a_plan_that_has_the_recipient_no_longer_withholds_everybody(given: Given) -> None:
    await dies_while_handing_over(given, "left")
    in_force = given.front.desk.privacy.in_force
    others = {name: one for name, one in in_force.plan.recipients.items() if name != "caterer"}
    in_force.plan = in_force.plan.model_copy(update={"recipients": others})
    result = await given.deliveries().deliver_due()
    assert result is not None
    assert result.state == "withheld"
    withheld = await given.front.said(DisclosureWithheld)
    assert {one.reason for one in withheld} == {"recipient-not-in-plan"}


async def test_what_is_not_heard_yet_puts_the_delivery_off_and_decides_nothing(
    given: Given,
) -> None:
    await dies_while_handing_over(given, "left")
    await given.front.facts()
    given.log_ends = HEARD | {"consent": {0: 1}}
    for _ in range(MOST_TRIES + 1):
        result = await given.deliveries().deliver_due()
        assert result is not None
        assert (result.state, result.reason) == ("waits", "projection-behind")
        given.later()
    assert await given.front.facts() == []
    given.log_ends = HEARD
    result = await given.deliveries().deliver_due()
    assert result is not None
    assert result.state == "delivered"


async def test_a_folder_that_cannot_be_written_is_tried_again_ever_later_and_then_given_up(
    given: Given,
) -> None:
    given.folder.write_text("in the way")
    await dies_while_handing_over(given, "left")
    pauses = []
    while (result := await given.deliveries().deliver_due()) and result.state == "waits":
        (row,) = await given.front.rows("select next_try_at from registration.delivery")
        pauses.append((row["next_try_at"] - given.now).total_seconds())
        assert await given.deliveries().deliver_due() is None, "not before its time"
        given.later(timedelta(hours=1))
    assert pauses == [10 * 2**n for n in range(MOST_TRIES - 1)]
    assert result is not None
    assert (result.state, result.reason) == ("failed", "not-written")
    (failed,) = await given.front.said(DisclosureFailed)
    assert (failed.reason, failed.may_have_reached) == ("not-written", False)
    given.folder.unlink()
    again = await given.deliveries().deliver(failed.disclosure_id)
    assert again is not None
    assert again.state == "delivered"
    (delivered,) = await given.front.said(DisclosureDelivered)
    assert delivered.disclosure_id == failed.disclosure_id


async def test_a_list_that_lay_there_once_may_have_reached_whatever_hinders_the_last_try(
    given: Given,
) -> None:
    await dies_while_handing_over(given, "delivered")
    (path,) = given.lists()
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("in the way")
    while (result := await given.deliveries().deliver_due()) and result.state == "waits":
        given.later(timedelta(hours=1))
    (failed,) = await given.front.said(DisclosureFailed)
    assert (failed.reason, failed.may_have_reached) == ("not-written", True)


async def test_what_kills_every_process_that_tries_it_is_given_up(given: Given) -> None:
    await dies_while_handing_over(given, "taken")
    for _ in range(MOST_TRIES - 1):
        with pytest.raises(Crash):
            await given.deliveries(dies_at("taken")).deliver_due()
        given.later()
    result = await given.deliveries(dies_at("taken")).deliver_due()
    assert result is not None
    assert (result.state, result.reason) == ("failed", "interrupted")
    (failed,) = await given.front.said(DisclosureFailed)
    assert failed.may_have_reached
    assert await left(given) == 4, "it stays, sealed, for a person who looks into it"


async def test_what_was_given_up_and_is_resumed_is_tried_as_often_again(given: Given) -> None:
    given.folder.write_text("in the way")
    await dies_while_handing_over(given, "left")
    while (result := await given.deliveries().deliver_due()) and result.state == "waits":
        given.later(timedelta(hours=1))
    assert result is not None
    assert await given.front.said(DisclosureFailed)
    given.log_ends = HEARD | {"consent": {0: 1}}
    resumed = await given.deliveries().deliver(result.delivery.id)
    assert resumed is not None
    assert (resumed.state, resumed.reason) == ("waits", "projection-behind")
    assert await states(given) == ["pending"]
    given.log_ends = HEARD
    for _ in range(MOST_TRIES - 1):
        given.later(timedelta(hours=1))
        tried = await given.deliveries().deliver_due()
        assert tried is not None
        assert (tried.state, tried.reason) == ("waits", "not-written")
    given.folder.unlink()
    given.later(timedelta(hours=1))
    assert (last := await given.deliveries().deliver_due()) is not None
    assert last.state == "delivered"
    assert await states(given) == ["delivered"]
    assert await given.front.said(DisclosureFailed) == []


async def test_what_cannot_be_judged_is_tried_again_ever_later_and_stops_no_others(
    given: Given,
) -> None:
    await dies_while_handing_over(given, "left")
    await given.front.rows(
        "update registration.handover_value"
        " set sealed = set_byte(sealed, 40, 255 # get_byte(sealed, 40))"
    )
    await dies_while_handing_over(given, "left")
    await given.front.facts()
    altered, whole = [await given.deliveries().deliver_due() for _ in range(2)]
    assert altered is not None
    assert (altered.state, altered.reason) == ("waits", "delivery-failed")
    assert isinstance(altered.error, SealError)
    assert whole is not None
    assert whole.state == "delivered"
    for _ in range(MOST_TRIES - 1):
        assert altered.state == "waits"
        given.later(timedelta(hours=1))
        altered = await given.deliveries().deliver_due()
        assert altered is not None
    assert altered.state == "failed"
    facts = await given.front.facts()
    assert [type(fact) for fact in facts] == [DisclosureDelivered, DisclosureFailed]
    assert await left(given) == 4, "it stays, sealed, for a person who looks into it"
    assert await given.deliveries().deliver_due() is None


class SlowPort:
    """Has begun, and does not end before it is told to."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.told = asyncio.Event()

    async def deliver(self, delivery: Delivery) -> str:
        self.begun.set()
        await self.told.wait()
        return "somewhere"

    async def take_back(self, delivery: Delivery) -> None:
        raise AssertionError


async def test_two_processes_never_try_the_same_at_once_and_one_of_them_says_that_it_is_delivered(
    given: Given,
) -> None:
    await dies_while_handing_over(given, "left")
    slow = SlowPort()
    first = asyncio.create_task(replace(given.deliveries(), ports={"folder": slow}).deliver_due())
    await slow.begun.wait()
    assert await given.deliveries().deliver_due() is None
    given.later()  # the first one seems dead
    second = await given.deliveries().deliver_due()
    slow.told.set()
    assert second is not None
    assert (second.state, (await first).state) == ("delivered", "delivered")  # type: ignore[union-attr]  # it took something
    assert len(await given.front.said(DisclosureDelivered)) == 1


async def test_the_loop_waits_for_kafka_delivers_and_tells_what_waits(given: Given) -> None:
    await dies_while_handing_over(given, "left")
    heartbeats, stopping = Heartbeats(), asyncio.Event()
    heartbeats.expect("deliveries", 30)
    seen: list[object] = []

    async def log_ends() -> LogEnds:
        seen.append(heartbeats.not_ready().get("deliveries"))
        if len(seen) == 1:
            raise ConnectionError
        if len(seen) == 2:
            raise KeyUnavailableError("waits for the key-encryption key 0123")
        seen.append(REGISTRY.get_sample_value("steward_handovers_waiting"))
        stopping.set()
        return given.log_ends

    deliveries = replace(given.deliveries(), log_ends=log_ends)
    await deliveries.run(0.01, Loop("deliveries", heartbeats, stopping))
    missing = ["database or Kafka does not answer", "waits for the key-encryption key 0123"]
    assert seen == [None, *missing, 1.0]
    assert len(given.lists()) == 1
    assert await deliveries.look() is False
    assert REGISTRY.get_sample_value("steward_handovers_waiting") == 0


async def test_what_waits_is_listed_without_anything_personal(given: Given) -> None:
    await dies_while_handing_over(given, "left")
    async with given.front.pool.acquire() as connection:
        (listed,) = await list_handovers(connection, ["pending"])
        assert await list_handovers(connection, ["failed"]) == []
    assert (listed.recipient, listed.people, listed.tries) == ("caterer", 2, 0)
    assert isinstance(listed.disclosure_id, UUID)
    assert "Person" not in orjson.dumps(listed, default=str).decode()
