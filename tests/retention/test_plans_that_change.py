"""A consent ends while the plan in force lacks the purpose, or lets less rest on it than before; a
registration goes on carrying what only an earlier plan had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from services.retention.handlers import Handlers
from shared.contract.registration import EventChanged, RegistrationCancelled
from shared.contract.types import RegistrationId, SubjectId
from tests.retention.conftest import follow
from tests.retention.test_schedule import (
    carrying,
    consent_given,
    consent_withdrawn,
    due_dates,
    said,
)
from tests.support.applied import apply
from tests.support.facts import NOON, event_state
from tests.support.plans import (
    DIETS_FROM_WITHDRAWAL,
    MARKETING_ON_CONTRACT,
    TEXT,
    WITH_INTERESTS,
    WITHOUT_DIETS,
    WITHOUT_MARKETING,
    changed,
)
from tests.support.work import Work

LOOKED_THROUGH_AGAIN = (
    Path(__file__).parents[2]
    / "services/retention/migrations/20260423000100_looked_through_again.sql"
)
DUE = {"marketing/marketing": date(2026, 9, 3)}
BOTH_DUE = {**DUE, "marketing/interests": date(2026, 10, 3)}
"""The one at once, the other after the month of its own class."""


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


@pytest.mark.parametrize("withdrawal_first", [False, True])
@pytest.mark.parametrize(
    "plans",
    [[TEXT], [MARKETING_ON_CONTRACT], [WITHOUT_MARKETING], [TEXT, WITHOUT_MARKETING]],
    ids=["less-data", "no-consent", "no-purpose", "less-data-then-no-purpose"],
)
async def test_what_rested_on_it_under_any_plan_is_due(
    work: Work,
    handlers: Handlers,
    database: str,
    tmp_path: Path,
    plans: Sequence[str],
    withdrawal_first: bool,
) -> None:
    subject = SubjectId(uuid4())
    yes, no = consent_given(subject), consent_withdrawn(subject, days=1)
    await apply(database, tmp_path, WITH_INTERESTS)
    if not withdrawal_first:
        await work.do(handlers.schedule_consents, [said(yes)])
        assert await due_dates(work) == dict.fromkeys(BOTH_DUE)
    for text in plans:
        await apply(database, tmp_path, text)
    await work.do(handlers.schedule_consents, [said(no)])
    assert await due_dates(work) == BOTH_DUE
    await follow(work)
    assert await due_dates(work) == BOTH_DUE
    await apply(database, tmp_path, WITH_INTERESTS)
    await work.do(handlers.schedule_consents, [said(yes)])
    await follow(work)
    assert await due_dates(work) == BOTH_DUE


async def test_a_yes_from_before_a_no_opens_nothing_that_a_later_plan_keeps_for_it(
    work: Work, handlers: Handlers, database: str, tmp_path: Path
) -> None:
    subject = SubjectId(uuid4())
    await work.do(handlers.schedule_consents, [said(consent_withdrawn(subject, days=1))])
    await apply(database, tmp_path, WITH_INTERESTS)
    await work.do(handlers.schedule_consents, [said(consent_given(subject))])
    assert await due_dates(work) == DUE


async def test_a_later_yes_opens_what_the_plan_in_force_keeps_for_it(
    work: Work, handlers: Handlers, database: str, tmp_path: Path
) -> None:
    subject = SubjectId(uuid4())
    anew = consent_given(subject).model_copy(update={"at": NOON + timedelta(days=2)})
    await apply(database, tmp_path, WITH_INTERESTS)
    await apply(database, tmp_path, TEXT)
    await work.do(handlers.schedule_consents, [said(consent_withdrawn(subject, days=1))])
    await work.do(handlers.schedule_consents, [said(anew)])
    assert await due_dates(work) == {**BOTH_DUE, "marketing/marketing": None}


async def test_a_consent_that_is_heard_under_a_plan_that_asks_for_none_goes_by_the_newest_that_did(
    work: Work, handlers: Handlers, database: str, tmp_path: Path
) -> None:
    """Should that plan come back, the consent holds, and with it what it lets us keep."""
    await apply(database, tmp_path, WITH_INTERESTS)
    for text in (TEXT, MARKETING_ON_CONTRACT):
        await apply(database, tmp_path, text)
    await work.do(handlers.schedule_consents, [said(consent_given(SubjectId(uuid4())))])
    assert await due_dates(work) == dict.fromkeys(DUE)


async def test_the_end_of_one_consent_ends_nobody_elses(
    work: Work, handlers: Handlers, database: str, tmp_path: Path
) -> None:
    she, he = SubjectId(uuid4()), SubjectId(uuid4())
    await apply(database, tmp_path, WITH_INTERESTS)
    await work.do(handlers.schedule_consents, [said(consent_given(one)) for one in (she, he)])
    await apply(database, tmp_path, TEXT)
    await work.do(handlers.schedule_consents, [said(consent_withdrawn(she, days=1))])
    rows = await work.rows("select due_on from schedule_item where subject_id = $1", he)
    assert [row["due_on"] for row in rows] == [None, None]


async def test_a_consent_to_what_no_plan_had_ends_nothing(work: Work, handlers: Handlers) -> None:
    gone = consent_withdrawn(SubjectId(uuid4()), days=1).model_copy(update={"purpose": "of-old"})
    await work.do(handlers.schedule_consents, [said(gone)])
    assert await due_dates(work) == {}


WITH_CONTACT = {"contact": date(2027, 4, 2), "registration": date(2027, 4, 2)}
"""Of a registration for an event that ends on 1 October."""
DIETS_KEPT_A_MONTH = changed(('period = "P14D"', 'period = "P1M"'))
DIETS_KEPT_A_YEAR = changed(('period = "P14D"', 'period = "P1Y"'))
DIETS_WITH_CONTACT = changed(
    ('[retention.diet]\nanchor = "event_end"\nperiod = "P14D"\ncategories = ["diet"]\n', ""),
    (
        '["contact", "stay", "transport", "billing"',
        '["contact", "diet", "stay", "transport", "billing"',
    ),
)
NO_DIETS_AND_OTHERS_A_YEAR = changed(('period = "P6M"', 'period = "P1Y"'), text=WITHOUT_DIETS)
NO_DIETS_AND_THEIR_CLASS_FOR_MARKETING = changed(
    ("[retention.marketing]", "[retention.diet]"), text=WITHOUT_DIETS
)


async def test_what_a_registration_carries_of_a_former_purpose_on_consent_is_no_fault(
    work: Work, handlers: Handlers, database: str, tmp_path: Path
) -> None:
    """It goes with the consent, which retention hears of by itself."""
    await apply(database, tmp_path, WITHOUT_MARKETING)
    effect = await work.do(
        handlers.schedule_registrations, [carrying(event_state(), "contact", "marketing")]
    )
    assert effect.at_fault == []
    assert await due_dates(work) == WITH_CONTACT


@pytest.mark.parametrize(
    ("plans", "due_on"),
    [
        ([WITHOUT_DIETS], date(2026, 10, 16)),
        ([DIETS_KEPT_A_MONTH, WITHOUT_DIETS], date(2026, 11, 2)),
        ([WITHOUT_DIETS, DIETS_KEPT_A_MONTH], date(2026, 11, 2)),
    ],
    ids=["gone", "kept-otherwise-then-gone", "back-again"],
)
async def test_what_a_registration_carries_is_due_by_the_newest_plan_that_had_it(
    work: Work,
    handlers: Handlers,
    database: str,
    tmp_path: Path,
    plans: Sequence[str],
    due_on: date,
) -> None:
    for text in plans:
        await apply(database, tmp_path, text)
    registered = carrying(event_state(), "contact", "diet")
    cancelled = RegistrationCancelled(
        registration_id=RegistrationId(uuid4()),
        subject_id=SubjectId(uuid4()),
        event=registered.data.event,
        cancelled_at=NOON,
        by="person",
        categories=("contact", "diet"),
    )
    first = await work.do(handlers.schedule_registrations, [registered])
    second = await work.do(handlers.schedule_cancelled, [said(cancelled)])
    assert first.at_fault == second.at_fault == []
    assert await due_dates(work) == {**WITH_CONTACT, "diet": due_on}
    await follow(work)
    assert await due_dates(work) == {**WITH_CONTACT, "diet": due_on}
    assert await work.value("select count(*) from schedule_item") == 6


@pytest.mark.parametrize("known_before", [False, True])
@pytest.mark.parametrize(
    ("plan", "due"),
    [
        (DIETS_KEPT_A_MONTH, {**WITH_CONTACT, "diet": date(2026, 11, 2)}),
        (
            DIETS_KEPT_A_YEAR,
            {**WITH_CONTACT, **dict.fromkeys(["diet", "registration"], date(2027, 10, 2))},
        ),
        (DIETS_WITH_CONTACT, {**WITH_CONTACT, "diet": date(2027, 4, 2)}),
    ],
    ids=["longer", "longest", "in-another-class"],
)
async def test_what_was_scheduled_before_is_due_on_the_day_on_which_it_would_be_due_if_heard_now(
    work: Work,
    handlers: Handlers,
    database: str,
    tmp_path: Path,
    plan: str,
    due: Mapping[str, date],
    known_before: bool,
) -> None:
    """Also where one plan came so soon after the other that nothing has followed the first."""
    registered = [carrying(event_state(), "contact", "diet")]
    if known_before:
        await work.do(handlers.schedule_registrations, registered)
    for text in (plan, WITHOUT_DIETS):
        await apply(database, tmp_path, text)
    if not known_before:
        await work.do(handlers.schedule_registrations, registered)
    await follow(work)
    assert await due_dates(work) == due


@pytest.mark.parametrize(
    "plans",
    [[DIETS_FROM_WITHDRAWAL], [DIETS_FROM_WITHDRAWAL, WITHOUT_DIETS]],
    ids=["by-now", "before-it-was-gone"],
)
async def test_what_was_sealed_for_an_event_is_due_also_where_a_plan_counts_it_from_another_anchor(
    work: Work, handlers: Handlers, database: str, tmp_path: Path, plans: Sequence[str]
) -> None:
    """It was on its way when the plan came, and has a key of that event."""
    for text in plans:
        await apply(database, tmp_path, text)
    registered = carrying(event_state(), "contact", "diet", "marketing")
    effect = await work.do(handlers.schedule_registrations, [registered])
    assert effect.at_fault == []
    due = {**WITH_CONTACT, "diet": date(2026, 10, 16)}
    assert await due_dates(work) == due
    await follow(work)
    assert await due_dates(work) == due


async def test_what_the_release_before_left_on_the_day_of_a_former_end_is_looked_through_again(
    work: Work, handlers: Handlers, database: str, tmp_path: Path
) -> None:
    """Of what only an earlier plan had: an event that moved had passed it by."""
    await work.do(handlers.schedule_registrations, [carrying(event_state(), "contact", "diet")])
    await apply(database, tmp_path, WITHOUT_DIETS)
    await follow(work)
    await work.rows(
        "update schedule_item set anchor_date = '2126-10-01', due_on = '2126-10-16'"
        " where part = 'diet'"
    )
    await follow(work)
    assert (await due_dates(work))["diet"] == date(2126, 10, 16)
    await work.rows(LOOKED_THROUGH_AGAIN.read_text("utf-8").partition("-- migrate:up")[2])
    await follow(work)
    assert await due_dates(work) == {**WITH_CONTACT, "diet": date(2026, 10, 16)}


@pytest.mark.parametrize("moved_first", [False, True])
async def test_an_event_that_moves_moves_also_what_only_an_earlier_plan_had(
    work: Work, handlers: Handlers, database: str, tmp_path: Path, moved_first: bool
) -> None:
    event = event_state()
    later = event.model_copy(update={"version": 2, "ends_at": event.ends_at + timedelta(days=31)})
    await apply(database, tmp_path, WITHOUT_DIETS)
    if moved_first:
        await work.do(handlers.learn_events, [said(EventChanged(event=later))])
    await work.do(handlers.schedule_registrations, [carrying(event, "diet")])
    if not moved_first:
        await work.do(handlers.learn_events, [said(EventChanged(event=later))])
    assert (await due_dates(work))["diet"] == date(2026, 11, 16)


@pytest.mark.parametrize(
    ("plans", "due"),
    [
        (
            [DIETS_WITH_CONTACT, NO_DIETS_AND_OTHERS_A_YEAR],
            {"contact": date(2027, 11, 2), "diet": date(2027, 5, 2)},
        ),
        ([DIETS_WITH_CONTACT, NO_DIETS_AND_OTHERS_A_YEAR], {"diet": date(2027, 5, 2)}),
        ([NO_DIETS_AND_THEIR_CLASS_FOR_MARKETING], {"diet": date(2026, 11, 16)}),
        ([DIETS_FROM_WITHDRAWAL], {"contact": date(2027, 5, 2), "diet": date(2026, 11, 16)}),
    ],
    ids=["of-longer-class", "alone", "of-class-with-another-anchor", "from-another-anchor"],
)
async def test_an_event_that_moves_moves_each_category_by_its_own_class_and_not_by_one_of_its_name(
    work: Work,
    handlers: Handlers,
    database: str,
    tmp_path: Path,
    plans: Sequence[str],
    due: Mapping[str, date],
) -> None:
    event = event_state()
    later = event.model_copy(update={"version": 2, "ends_at": event.ends_at + timedelta(days=31)})
    await work.do(handlers.schedule_registrations, [carrying(event, *due)])
    for text in plans:
        await apply(database, tmp_path, text)
        await follow(work)
    await work.do(handlers.learn_events, [said(EventChanged(event=later))])
    moved = {**due, "registration": max(due.values())}
    assert await due_dates(work) == moved
    await follow(work)
    assert await due_dates(work) == moved
