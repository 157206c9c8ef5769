"""A no that is said while the plan in force lacks the purpose, and the plan that has it returns."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.consent.domain import Answer
from services.consent.handlers import Handlers
from shared.privacy.subjects import Alias
from tests.conftest import SettingsFactory
from tests.consent.answering import (
    EMAIL,
    HOUR,
    consent,
    participation,
    states,
    submitted,
    withdrawal,
)
from tests.support.applied import apply
from tests.support.facts import NOON
from tests.support.plans import TEXT, WITHOUT_DIETS
from tests.support.work import Work, service_at_work

LATER = NOON + HOUR


async def say_yes(work: Work, handlers: Handlers) -> None:
    async with work.parts.pool.acquire() as connection:
        people = work.parts.privacy.people
        (subject,) = await people.identify(connection, [[Alias("email", EMAIL)]])
    yes = participation(subject, consents=(consent(), consent("dietary-needs")))
    await work.do(handlers.record_participants, [yes])


async def may(work: Work, handlers: Handlers) -> Answer:
    async with work.parts.work(now=NOON) as tx:
        return await handlers.check(tx.connection, EMAIL, "dietary-needs")


@pytest.mark.parametrize("named", [(), ("marketing", "dietary-needs"), ("dietary-needs",)])
async def test_a_withdrawal_counts_for_a_purpose_that_an_earlier_plan_had(
    work: Work, handlers: Handlers, database: str, tmp_path: Path, named: tuple[str, ...]
) -> None:
    await say_yes(work, handlers)
    assert (await may(work, handlers)).may_be_used
    await apply(database, tmp_path, WITHOUT_DIETS)
    effect = await work.do(handlers.record_contacts, [withdrawal(*named, at=LATER)])
    assert effect.at_fault == []
    assert (await states(work))["dietary-needs"] == "withdrawn"
    await apply(database, tmp_path, TEXT)
    assert await may(work, handlers) == Answer(False, "withdrawn", LATER)


async def test_a_yes_that_comes_after_the_withdrawal_under_another_plan_does_not_outlast_it(
    work: Work, handlers: Handlers, database: str, tmp_path: Path
) -> None:
    await apply(database, tmp_path, WITHOUT_DIETS)
    await work.do(handlers.record_contacts, [withdrawal(at=LATER)])
    await apply(database, tmp_path, TEXT)
    await say_yes(work, handlers)
    assert await may(work, handlers) == Answer(False, "withdrawn", LATER)


async def test_a_process_that_starts_under_the_other_plan_knows_what_earlier_ones_had(
    work: Work, service_settings: SettingsFactory, database: str, tmp_path: Path
) -> None:
    await apply(database, tmp_path, WITHOUT_DIETS)
    async with service_at_work(service_settings, "consent") as started:
        handlers = Handlers(started.parts.privacy)
        await started.do(handlers.record_contacts, [withdrawal(at=LATER)])
    assert (await states(work))["dietary-needs"] == "withdrawn"


async def test_nobody_is_asked_for_a_consent_that_the_plan_in_force_has_not(
    work: Work, handlers: Handlers, database: str, tmp_path: Path
) -> None:
    await apply(database, tmp_path, WITHOUT_DIETS)
    effect = await work.do(handlers.record_contacts, [submitted(consent("dietary-needs"))])
    assert effect.at_fault == ["purpose_unknown"]
    assert (await may(work, handlers)).reason == "not_based_on_consent"


@pytest.mark.parametrize("by", ["registration", "contact"])
async def test_a_no_in_an_answer_counts_for_a_purpose_that_an_earlier_plan_had(
    work: Work, handlers: Handlers, database: str, tmp_path: Path, by: str
) -> None:
    await say_yes(work, handlers)
    await apply(database, tmp_path, WITHOUT_DIETS)
    no = consent("dietary-needs", given=False)
    if by == "contact":
        effect = await work.do(handlers.record_contacts, [submitted(no, at=LATER)])
    else:
        subject = await work.value("select subject_id from consent_state limit 1")
        told = participation(subject, consents=(no,), registered_at=LATER)
        effect = await work.do(handlers.record_participants, [told])
    assert effect.at_fault == []
    await apply(database, tmp_path, TEXT)
    assert await may(work, handlers) == Answer(False, "withdrawn", LATER)
