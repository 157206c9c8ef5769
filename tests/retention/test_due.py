"""Which keys go with what is due: those that seal nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from services.finance.domain import FinancialYear
from services.retention.domain import (
    Books,
    DueKey,
    Former,
    Kind,
    RetentionClass,
    Scheduled,
    Unsealed,
    what_is_due,
)
from shared.contract.types import EventId, SubjectId
from shared.privacy.plan import Period

WHO = SubjectId(UUID(int=1))
EVENT = EventId(UUID(int=2))
ITEM = UUID(int=3)
DAY = date(2026, 10, 16)
SAID = datetime(2026, 10, 15, 12, tzinfo=UTC)
BOOKS = Books({"voucher": ("accounting",), "ledger": ()}, {})
NEXT_PLAN = SAID + timedelta(days=1)
"""When another plan came into force than was when `SAID` was said."""


def row(
    kind: Kind, part: str, retention_class: str, due_on: date | None, item_id: UUID = ITEM
) -> Scheduled:
    return Scheduled(
        kind=kind,
        item_id=item_id,
        part=part,
        subject_id=WHO,
        event_id=None if kind == "consent" else EVENT,
        retention_class=retention_class,
        anchor="event_end",
        anchor_date=due_on,
        due_on=due_on,
        as_of=SAID,
    )


DIET = row("category", "diet", "diet", DAY)
CONTACT = row("category", "contact", "event-data", date(2027, 4, 2))
REGISTRATION = row("registration", "registration", "event-data", date(2027, 4, 2))


def test_what_is_due_goes_and_what_is_not_stays() -> None:
    due = what_is_due([DIET, CONTACT, REGISTRATION], DAY, BOOKS)
    assert due.keys == [DueKey((WHO, "diet", f"event:{EVENT}"), "diet", None)]
    assert due.rows == [DIET]


def test_a_registration_is_listed_until_the_last_of_what_was_given_with_it_is_gone() -> None:
    rows = [DIET, CONTACT, REGISTRATION]
    later = REGISTRATION.due_on
    assert later is not None
    assert what_is_due(rows, later, BOOKS).rows == rows
    assert what_is_due(rows, later, BOOKS, "diet").rows == [DIET]
    assert what_is_due(rows, later, BOOKS, "event-data").rows == [CONTACT]
    assert what_is_due([CONTACT, REGISTRATION], later, BOOKS).rows == [CONTACT, REGISTRATION]


def test_a_consent_that_ended_takes_no_key_that_another_one_needs() -> None:
    ended = row("consent", "marketing/marketing", "marketing", DAY, WHO)
    stands = row("consent", "newsletter/marketing", "marketing", None, WHO)
    assert what_is_due([ended, stands], DAY, BOOKS).keys == []
    later = SAID + timedelta(hours=1)
    both = [replace(stands, due_on=DAY, as_of=later), ended]
    due = what_is_due(both, DAY, BOOKS)
    assert due.keys == [DueKey((WHO, "marketing", ""), "marketing", later)], "the last no counts"
    assert len(due.rows) == 2


def test_what_has_a_key_that_stays_stays_listed_and_so_does_its_registration() -> None:
    later = REGISTRATION.due_on
    assert later is not None
    staying = {(WHO, "diet", f"event:{EVENT}")}
    due = what_is_due([DIET, CONTACT, REGISTRATION], later, BOOKS, staying=staying)
    assert due.rows == [CONTACT]


def test_of_vouchers_the_keys_of_their_year_go_and_the_ledger_stays_listed() -> None:
    year = FinancialYear(date(2024, 3, 31))
    voucher = replace(
        row("invoice", "voucher", "voucher", date(2031, 1, 1)), anchor_date=date(2024, 12, 31)
    )
    ledger = replace(row("invoice", "ledger", "ledger", date(2034, 4, 1)), anchor_date=year.ends)
    due = what_is_due([voucher, ledger], date(2035, 1, 1), BOOKS)
    assert due.keys == [DueKey((WHO, "accounting", year.context), "voucher", None)]
    assert due.rows == [voucher]


def test_of_a_class_that_has_another_name_now_the_keys_go_when_that_lets_them() -> None:
    voucher = replace(
        row("invoice", "voucher", "voucher", date(2023, 1, 1)), anchor_date=date(2016, 12, 31)
    )
    eight_years = RetentionClass("vouchers", "financial_year_calendar_end", Period(years=8))
    former = Former("accounting", NEXT_PLAN, eight_years)
    books = Books({"vouchers": ("accounting",)}, {"voucher": [former]})
    assert what_is_due([voucher], date(2024, 12, 31), books) == Unsealed([], [])
    due = what_is_due([voucher], date(2025, 1, 1), books, "voucher")
    assert due.keys == [DueKey((WHO, "accounting", "year:2016"), "voucher", None)]
    assert due.rows == [voucher]


def test_an_invoice_goes_as_the_plan_in_force_has_it_where_it_was_issued_under_that() -> None:
    six_years = RetentionClass("voucher", "financial_year_calendar_end", Period(years=6))
    former = Former("accounting", NEXT_PLAN, six_years)
    books = Books({"voucher": ("accounting",), "ledger": ()}, {"ledger": [former]})
    rows = [
        replace(row("invoice", name, name, due_on), anchor_date=date(2030, 12, 31))
        for name, due_on in (("voucher", date(2037, 1, 1)), ("ledger", date(2041, 1, 1)))
    ]
    assert what_is_due(rows, date(2037, 1, 1), books).keys == [], "the ledger named them too"
    assert what_is_due(rows, date(2041, 1, 1), books).rows == rows
    later = [replace(one, as_of=NEXT_PLAN) for one in rows]
    due = what_is_due(later, date(2037, 1, 1), books, "voucher")
    assert due.keys == [DueKey((WHO, "accounting", "year:2030"), "voucher", None)]
    assert due.rows == later[:1]
    assert what_is_due(later, date(2041, 1, 1), books).rows == later[:1], "the ledger stays listed"
