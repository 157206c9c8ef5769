"""The schedule follows the plan that is in force."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest

from services.retention.domain import RetentionClass, Rules, Scheduled, due_on, rescheduled
from services.retention.handlers import Handlers
from services.retention.handlers.rescheduling import Rescheduler
from services.retention.handlers.rules import books_of
from shared.contract.registration import EventChanged
from shared.contract.types import EventId, Sealed, SubjectId
from shared.privacy.in_force import InForce
from shared.privacy.plan import Period, load_plan
from tests.support.facts import NOON, Facts, event_state, registered
from tests.support.plans import BUYERS_APART, PLAN, changed, written
from tests.support.waiting import until_somebody_waits
from tests.support.work import Work

LONGER = ('anchor = "event_end"\nperiod = "P6M"', 'anchor = "event_end"\nperiod = "P9M"')
RENAMED = ("[retention.event-data]", "[retention.participation-data]")
STAY_AS_LONG_AS_DIET = (
    (
        'categories = ["contact", "stay", "transport", "billing"',
        'categories = ["contact", "transport", "billing"',
    ),
    (
        'categories = ["diet"]\n\n[retention.marketing]',
        'categories = ["diet", "stay"]\n\n[retention.marketing]',
    ),
)

SUBJECT = SubjectId(uuid4())
ENDS = date(2026, 10, 1)
EVENT_DATA = RetentionClass("event-data", "event_end", Period(months=6))
DIET = RetentionClass("diet", "event_end", Period(days=14))
MARKETING = RetentionClass("marketing", "consent_withdrawal", Period())
VOUCHER = RetentionClass("voucher", "financial_year_calendar_end", Period(years=7))


def rules(**of_category: RetentionClass) -> Rules:
    return Rules(
        {one.name: one for one in of_category.values()},
        of_category,
        {(name, one.anchor): one for name, one in of_category.items()},
    )


def row(kind: str, part: str, kept: RetentionClass, start: date | None = ENDS) -> Scheduled:
    return Scheduled(
        kind=kind,  # type: ignore[arg-type] # a parameter of the tests
        item_id=SUBJECT,
        part=part,
        subject_id=SUBJECT,
        event_id=EventId(SUBJECT) if kept.anchor == "event_end" else None,
        retention_class=kept.name,
        anchor=kept.anchor,
        anchor_date=start,
        due_on=None if start is None else due_on(start, kept.period),
        as_of=NOON,
    )


def after(rows: list[Scheduled], known: Rules) -> dict[str, tuple[str, date | None]]:
    """The class and the day of each row that changes."""
    found = rescheduled(rows, {EventId(SUBJECT): ENDS}, known)
    return {new.part: (new.retention_class, new.due_on) for _, new in found}


def test_what_a_class_has_sealed_is_known_when_it_keeps_its_name_and_loses_the_category(
    tmp_path: Path,
) -> None:
    first, second = load_plan(PLAN), load_plan(written(tmp_path, BUYERS_APART))
    both = {("voucher", "accounting"): NOON, ("buyers", "accounting"): None}
    books = books_of(second, both)
    assert [list(books.categories[name]) for name in ("voucher", "buyers")] == [[], ["accounting"]]
    (former,) = books.former["voucher"]
    assert (former.category, former.until, former.kept_now) == (
        "accounting",
        NOON,
        RetentionClass("buyers", "financial_year_calendar_end", Period(years=6)),
    )
    assert set(books.former) == {"voucher"}
    assert books_of(first, {("voucher", "accounting"): None}).former == {}


def test_what_the_plan_says_as_before_stays() -> None:
    rows = [row("category", "contact", EVENT_DATA), row("registration", "registration", EVENT_DATA)]
    assert after(rows, rules(contact=EVENT_DATA, diet=DIET)) == {}


def test_a_registration_is_kept_as_long_as_the_last_of_its_data_by_the_new_periods() -> None:
    rows = [
        row("category", "contact", EVENT_DATA),
        row("category", "diet", DIET),
        row("registration", "registration", EVENT_DATA),
    ]
    shorter = RetentionClass("event-data", "event_end", Period(days=7))
    assert after(rows, rules(contact=shorter, diet=DIET)) == {
        "contact": ("event-data", date(2026, 10, 9)),
        "registration": ("diet", date(2026, 10, 16)),
    }


@pytest.mark.parametrize(
    ("kept", "known"),
    [
        (row("category", "contact", EVENT_DATA), rules(diet=DIET)),
        (row("category", "contact", EVENT_DATA), rules(contact=MARKETING)),
        (row("invoice", "voucher-of-old", VOUCHER), rules(accounting=VOUCHER)),
        (row("consent", "marketing/marketing", MARKETING, None), rules(marketing=MARKETING)),
    ],
    ids=["no such category", "another anchor", "no such class", "a consent that holds"],
)
def test_what_the_plan_says_nothing_of_stays(kept: Scheduled, known: Rules) -> None:
    assert after([kept], known) == {}


def test_consents_and_invoices_count_from_their_own_days() -> None:
    longer = RetentionClass("marketing", "consent_withdrawal", Period(days=3))
    rows = [
        row("consent", "marketing/marketing", MARKETING, date(2026, 9, 1)),
        row("invoice", "voucher", RetentionClass("voucher", VOUCHER.anchor, Period(years=6))),
    ]
    assert after(rows, rules(marketing=longer, accounting=VOUCHER)) == {
        "marketing/marketing": ("marketing", date(2026, 9, 5)),
        "voucher": ("voucher", date(2033, 10, 2)),
    }


@pytest.fixture
async def kept(work: Work, handlers: Handlers) -> EventId:
    """Three registrations of one event, which ends on 1 October."""
    event = event_state()
    personal = {"contact": Sealed(b"sealed"), "diet": Sealed(b"sealed")}
    messages = [registered(event, personal=personal) for _ in range(3)]
    await work.do(handlers.schedule_registrations, messages)
    return event.event_id


async def dates(work: Work) -> Mapping[str, set[tuple[str, date]]]:
    found: dict[str, set[tuple[str, date]]] = {}
    for one in await work.rows("select part, retention_class, due_on from schedule_item"):
        found.setdefault(one["part"], set()).add((one["retention_class"], one["due_on"]))
    return found


async def follow(work: Work, in_force: InForce, *, most: int = 2_000) -> list[int]:
    """Part by part, each by a process of its own, to the end; the rows of each."""
    parts = []
    while True:
        async with work.parts.record(now=NOON) as tx:
            parts.append(await Rescheduler(in_force, most).reschedule(tx))
        if not parts[-1]:
            return parts


async def test_another_period_reaches_what_is_scheduled_part_by_part(
    work: Work, kept: EventId, tmp_path: Path
) -> None:
    plan = load_plan(written(tmp_path, changed(LONGER)))
    assert await follow(work, InForce(plan, 2), most=2) == [3, 3, 3, 0]
    assert await dates(work) == {
        "contact": {("event-data", date(2027, 7, 2))},
        "diet": {("diet", date(2026, 10, 16))},
        "registration": {("event-data", date(2027, 7, 2))},
    }
    assert await follow(work, InForce(plan, 2)) == [0], "once for each plan"


async def test_what_moved_under_another_name_of_its_class_is_found_again(
    work: Work, kept: EventId, tmp_path: Path
) -> None:
    plan = load_plan(written(tmp_path, changed(RENAMED)))
    renamed = InForce(plan, 2)
    later = event_state(event_id=kept, version=9, ends_at="2027-10-01T14:00:00Z")
    moved = Facts().message(EventChanged(event=later))
    await work.do(Handlers(renamed).learn_events, [moved])
    await follow(work, renamed)
    assert await dates(work) == {
        "contact": {("participation-data", date(2028, 4, 2))},
        "diet": {("diet", date(2027, 10, 16))},
        "registration": {("participation-data", date(2028, 4, 2))},
    }


async def test_what_moves_while_it_is_looked_at_stays_as_it_was_moved(
    work: Work, handlers: Handlers, tmp_path: Path
) -> None:
    event = event_state()
    personal = {"contact": Sealed(b"sealed"), "stay": Sealed(b"sealed")}
    messages = [registered(event, personal=personal) for _ in range(3)]
    await work.do(handlers.schedule_registrations, messages)
    in_force = InForce(load_plan(written(tmp_path, changed(*STAY_AS_LONG_AS_DIET))), 2)
    later = event_state(event_id=event.event_id, version=9, ends_at="2027-10-01T14:00:00Z")

    async with work.parts.record(now=NOON) as tx:
        moved = Facts().message(EventChanged(event=later))
        await Handlers(in_force).learn_events(tx, [moved])
        following = asyncio.create_task(follow(work, in_force))
        await until_somebody_waits(work.value)
    await following
    assert await dates(work) == {
        "contact": {("event-data", date(2028, 4, 2))},
        "stay": {("diet", date(2027, 10, 16))},
        "registration": {("event-data", date(2028, 4, 2))},
    }
