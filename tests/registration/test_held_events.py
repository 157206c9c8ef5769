"""Who gives a place back holds the event, also where the registration came a moment ago."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from services.registration import store
from services.registration.handlers import periodic, waiting
from services.registration.handlers.batches import Handlers
from shared.contract.codec import decode
from shared.messaging.unit_of_work import Transaction
from shared.runtime.database import Connection
from tests.registration.conftest import Front
from tests.support.waiting import until_somebody_waits

COUNTED_ANEW = (
    Path(__file__).parents[2]
    / "services/registration/migrations/20260503000000_places_counted_anew.sql"
)
ALL_COUNTED = "select number, places_taken, waitlisted from registration.event order by number"
COUNTED = (
    "select places_taken, (select count(*) from registration.registration"
    " where event_id = event.id and status = 'registered')::int as there from registration.event"
)


async def _submit(front: Front, tx: Transaction, number: int, event: str = "E-1") -> None:
    """As a batch of another partition does it."""
    handlers, submitted = Handlers(front.desk), [_decoded(front, number, event)]
    await handlers.prepare(tx, submitted)
    await handlers.submit(tx, submitted)


def _decoded(front: Front, number: int, event: str) -> Any:  # noqa: ANN401 - a message, of a type for tests
    return decode(front.submitted(number, event_number=event))


@pytest.mark.parametrize("tries", [1, 2])
async def test_who_leaves_an_event_that_the_batch_did_not_look_for_holds_it(
    front: Front, monkeypatch: pytest.MonkeyPatch, tries: int
) -> None:
    """The registration comes in another partition between the look and the lock, and somebody else
    has the event then. The second time nothing is looked for any more.
    """
    if tries == 2:
        monkeypatch.setattr(Transaction, "begin_again", lambda _: None)
    await front.take(front.event())
    lock, others = store.lock_events, AsyncExitStack()
    ready = asyncio.Event()

    async def lock_later(connection: Connection, references: Collection[bytes]) -> None:
        monkeypatch.setattr(store, "lock_events", lock)
        async with front.transaction() as first:
            await _submit(front, first, 1)
        await _submit(front, await others.enter_async_context(front.transaction()), 2)
        ready.set()
        await lock(connection, references)

    monkeypatch.setattr(store, "lock_events", lock_later)
    async with others:
        leaving = asyncio.ensure_future(front.take(front.taken_back(1)))
        await ready.wait()
        await until_somebody_waits(front.administrator.fetchval)
    await leaving
    (row,) = await front.rows(COUNTED)
    assert dict(row) == {"places_taken": 1, "there": 1}
    assert await front.outcomes() == {"accepted": 2}


@pytest.mark.parametrize("at_once", [True, False], ids=["with-the-event", "later"])
async def test_who_waited_to_leave_an_event_holds_the_other_one_that_they_came_to_meanwhile(
    front: Front, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    """The source has corrected for which event the registration is."""
    await front.take(front.event(event_number="E-2"))
    await front.take(front.submitted(1), front.taken_back(1))
    await front.take(front.submitted(1, event_number="E-2"))
    if not at_once:
        with monkeypatch.context() as patched:
            patched.setattr(waiting, "MOST_AT_ONCE", 1)
            await front.take(front.event())
    async with AsyncExitStack() as others:
        tx = await others.enter_async_context(front.transaction())
        await _submit(front, tx, 2, "E-2")
        working = front.take(front.event()) if at_once else front.work(periodic.handle_ready)
        leaving = asyncio.ensure_future(working)
        await until_somebody_waits(front.administrator.fetchval)
    await leaving
    assert await _counted(front) == [("E-1", 0, 0), ("E-2", 1, 0)]


async def _counted(front: Front) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await front.rows(ALL_COUNTED)]


async def _count_anew(front: Front) -> None:
    async with front.administrator.transaction():
        await front.administrator.execute("set local search_path to registration")
        await front.administrator.execute(COUNTED_ANEW.read_text("utf-8"))


@pytest.mark.parametrize(("taken", "waitlisted"), [(0, 1), (7, 3)])
async def test_places_that_were_miscounted_are_counted_anew(
    front: Front, taken: int, waitlisted: int
) -> None:
    await front.take(front.event(capacity=1, waiting_list=True))
    await front.take(*(front.submitted(number) for number in (1, 2, 3)), front.taken_back(3))
    await front.take(front.event(event_number="E-2"))
    right = [("E-1", 1, 1), ("E-2", 0, 0)]
    assert await _counted(front) == right
    miscounted = "update registration.event set places_taken = $1, waitlisted = $2"
    await front.administrator.execute(miscounted, taken, waitlisted)
    await _count_anew(front)
    assert await _counted(front) == right


async def test_who_waited_for_a_place_that_was_counted_as_taken_gets_it_with_an_announcement(
    front: Front,
) -> None:
    """No migration says anything; so the source of the event has it announced again."""
    event = {"capacity": 2, "waiting_list": True}
    await front.take(front.event(**event), front.submitted(1))
    await front.administrator.execute("update registration.event set places_taken = 2")
    await front.take(front.submitted(2))
    await _count_anew(front)
    await front.take(front.submitted(3))
    assert await _counted(front) == [("E-1", 1, 2)]
    await front.take(front.event(**event, sequence=2))
    assert await _counted(front) == [("E-1", 2, 1)]
