"""What somebody else changes in the schedule between a look at it and what comes of that."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from services.retention import store
from services.retention.domain import Scheduled
from services.retention.handlers import Handlers
from services.retention.handlers.rescheduling import Rescheduler
from shared.contract.registration import EventChanged
from shared.contract.types import SubjectId
from shared.privacy.in_force import InForce
from shared.privacy.plan import load_plan
from tests.retention.test_schedule import (
    carrying,
    consent_given,
    consent_withdrawn,
    due_dates,
    said,
)
from tests.support.facts import NOON, event_state
from tests.support.plans import changed, written
from tests.support.waiting import until_somebody_waits
from tests.support.work import Work

A_MONTH_LATER = datetime(2026, 11, 1, 14, tzinfo=UTC)


async def scheduled(work: Work) -> list[Scheduled]:
    async with work.parts.pool.acquire() as connection:
        return await store.scheduled_after(connection, None, 9)


@pytest.mark.parametrize("moved", [False, True], ids=["corrected", "moved"])
async def test_what_is_not_as_it_was_read_is_not_marked_as_unreadable(
    work: Work, handlers: Handlers, moved: bool
) -> None:
    event = event_state()
    registered = carrying(event, "diet")
    await work.do(handlers.schedule_registrations, [registered])
    read = await scheduled(work)
    if moved:
        later = event.model_copy(update={"version": 2, "ends_at": A_MONTH_LATER})
        await work.do(handlers.learn_events, [said(EventChanged(event=later))])
    else:
        again = {"registration_id": registered.data.registration_id}
        again |= {"subject_id": registered.data.subject_id}
        newer = carrying(event, "diet", **again, registered_at=NOON + timedelta(days=1))
        await work.do(handlers.schedule_registrations, [newer])
    async with work.parts.pool.acquire() as connection:
        await store.mark_unreadable(connection, read, NOON)
        assert len(await store.readable_of(connection, [registered.data.subject_id])) == 2
        await store.mark_unreadable(connection, await scheduled(work), NOON)
        assert await store.readable_of(connection, [registered.data.subject_id]) == []


async def test_a_consent_that_ends_while_its_row_is_looked_at_stays_ended(
    work: Work, handlers: Handlers
) -> None:
    who = SubjectId(uuid4())
    await work.do(handlers.schedule_consents, [said(consent_given(who))])
    (read,) = await scheduled(work)
    await work.do(handlers.schedule_consents, [said(consent_withdrawn(who, days=1))])
    ended = await due_dates(work)
    async with work.parts.pool.acquire() as connection:
        await store.reschedule(connection, [(read, read)])
    assert await due_dates(work) == ended == {"marketing/marketing": date(2026, 9, 3)}


@pytest.mark.parametrize("parts", [1, 9], ids=["half-way", "at-the-end"])
async def test_a_plan_is_followed_from_the_beginning_wherever_the_one_before_was(
    work: Work, handlers: Handlers, tmp_path: Path, parts: int
) -> None:
    event = event_state()
    await work.do(handlers.schedule_registrations, [carrying(event, "diet") for _ in range(3)])
    for number, days in ((2, 15), (3, 16)):
        text = changed(('period = "P14D"', f'period = "P{days}D"'))
        rescheduler = Rescheduler(InForce(load_plan(written(tmp_path, text)), number), most=2)
        for _ in range(parts if number == 2 else 9):
            async with work.parts.record(now=NOON) as tx:
                await rescheduler.reschedule(tx)
    days_due = await work.rows("select distinct due_on from schedule_item where part = 'diet'")
    assert [row["due_on"] for row in days_due] == [date(2026, 10, 18)]


async def test_who_registers_while_the_event_moves_is_moved_with_it(
    work: Work, handlers: Handlers
) -> None:
    event = event_state()
    await work.do(handlers.schedule_registrations, [carrying(event, "diet")])
    later = event.model_copy(update={"version": 2, "ends_at": A_MONTH_LATER})
    async with work.parts.work(now=NOON) as tx:
        await handlers.schedule_registrations(tx, [carrying(event, "diet")])
        moves = work.do(handlers.learn_events, [said(EventChanged(event=later))])
        moving = asyncio.create_task(moves)
        await until_somebody_waits(work.value, within_s=10)
    await moving
    found = await work.rows("select distinct due_on from schedule_item where part = 'diet'")
    assert [row["due_on"] for row in found] == [date(2026, 11, 16)]
