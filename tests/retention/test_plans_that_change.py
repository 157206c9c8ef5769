"""A consent ends while the plan in force lacks the purpose, and the plan that has it returns."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest

from services.retention.handlers import Handlers
from services.retention.rescheduling import Rescheduler
from shared.contract.types import SubjectId
from tests.retention.test_schedule import consent_given, consent_withdrawn, due_dates, said
from tests.support.applied import apply
from tests.support.facts import NOON
from tests.support.plans import TEXT, WITHOUT_MARKETING
from tests.support.work import Work

DUE = {"marketing/marketing": date(2026, 9, 3)}


async def follow(work: Work) -> None:
    rescheduler = Rescheduler(work.parts.privacy.in_force)
    rows = 1
    while rows:
        async with work.parts.work(now=NOON) as tx:
            rows = await rescheduler.reschedule(tx)


@pytest.mark.parametrize("withdrawal_first", [False, True])
async def test_what_rested_on_a_consent_is_due_also_where_the_plan_had_lost_its_purpose(
    work: Work, handlers: Handlers, database: str, tmp_path: Path, withdrawal_first: bool
) -> None:
    subject = SubjectId(uuid4())
    yes, no = consent_given(subject), consent_withdrawn(subject, days=1)
    if not withdrawal_first:
        await work.do(handlers.schedule_consents, [said(yes)])
    await apply(database, tmp_path, WITHOUT_MARKETING)
    await work.do(handlers.schedule_consents, [said(no)])
    assert await due_dates(work) == DUE
    await follow(work)
    await apply(database, tmp_path, TEXT)
    if withdrawal_first:
        await work.do(handlers.schedule_consents, [said(yes)])
    await follow(work)
    assert await due_dates(work) == DUE


async def test_a_consent_to_what_no_plan_had_ends_nothing(work: Work, handlers: Handlers) -> None:
    gone = consent_withdrawn(SubjectId(uuid4()), days=1).model_copy(update={"purpose": "of-old"})
    await work.do(handlers.schedule_consents, [said(gone)])
    assert await due_dates(work) == {}
