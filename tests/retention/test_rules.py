"""When what is kept must go."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retention.domain import (
    EventAnchor,
    RetentionClass,
    Rules,
    class_of_registration,
    due_on,
    event_anchor,
    longest,
    newest,
    term,
)
from shared.contract.types import EventId
from shared.privacy.plan import Period
from tests.support.facts import event_state

VOUCHER = RetentionClass("voucher", "financial_year_calendar_end", Period(years=6))
LEDGER = RetentionClass("ledger", "financial_year_end", Period(years=10))
EVENT = RetentionClass("event-data", "event_end", Period(months=6))
DIET = RetentionClass("diet", "event_end", Period(days=14))
MARKETING = RetentionClass("marketing", "consent_withdrawal", Period())


# The example of etasku.fi: a financial year that ends on 31 March 2024. Kept to the last day that
# is named, due on the day after.
def test_a_voucher_is_kept_from_the_end_of_the_calendar_year() -> None:
    kept = term("invoice", "voucher", None, VOUCHER, date(2024, 3, 31))
    assert (kept.anchor_date, kept.due_on) == (date(2024, 12, 31), date(2031, 1, 1))


def test_the_ledger_is_kept_from_the_end_of_the_financial_year() -> None:
    kept = term("invoice", "ledger", None, LEDGER, date(2024, 3, 31))
    assert (kept.anchor_date, kept.due_on) == (date(2024, 3, 31), date(2034, 4, 1))


@pytest.mark.parametrize(
    ("anchor", "period", "due"),
    [
        (date(2026, 6, 1), Period(months=6), date(2026, 12, 2)),
        (date(2026, 8, 31), Period(months=6), date(2027, 3, 1)),  # ends with February
        (date(2026, 6, 1), Period(days=14), date(2026, 6, 16)),
        (date(2026, 6, 1), Period(), date(2026, 6, 2)),
        (date(2024, 2, 29), Period(years=1), date(2025, 3, 1)),
        # Who knows no end writes the last day that there is: it is due then, or never.
        (date(9999, 12, 31), Period(), date.max),
        (date(9999, 12, 30), Period(), date.max),
        (date(9999, 12, 1), Period(days=14), date(9999, 12, 16)),
        (date(9999, 12, 20), Period(days=14), date.max),
        (date(9999, 12, 31), Period(months=6), date.max),
    ],
)
def test_what_is_kept_for_a_period_is_due_on_the_day_after_its_last(
    anchor: date, period: Period, due: date
) -> None:
    assert due_on(anchor, period) == due


@given(
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    st.integers(0, 60),
    st.builds(Period, st.integers(0, 20), st.integers(0, 24), st.integers(0, 400)),
)
def test_a_later_anchor_is_never_due_earlier(anchor: date, later_by: int, period: Period) -> None:
    later = due_on(anchor + timedelta(days=later_by), period)
    assert due_on(anchor, period) <= later
    assert due_on(anchor, period) > anchor


def test_an_event_ends_on_the_day_that_its_own_place_has() -> None:
    late = event_state(ends_at=datetime(2026, 10, 1, 22, 30, tzinfo=UTC))
    assert event_anchor(late).ends_on == date(2026, 10, 2)
    assert event_anchor(late.model_copy(update={"time_zone": "UTC"})).ends_on == date(2026, 10, 1)


@pytest.mark.parametrize(
    ("cancelled_at", "day"),
    [
        (datetime(2026, 9, 1, 22, 30, tzinfo=UTC), date(2026, 9, 2)),  # in Helsinki
        (datetime(2026, 10, 20, tzinfo=UTC), date(2026, 10, 1)),  # after its end
        (None, date(2026, 10, 1)),  # said before that day was told
    ],
)
def test_what_is_kept_for_a_cancelled_event_counts_from_the_day_on_which_it_was_cancelled(
    cancelled_at: datetime | None, day: date
) -> None:
    gone = event_state(status="cancelled", cancelled_at=cancelled_at)
    assert event_anchor(gone).ends_on == day


@pytest.mark.parametrize(
    ("ends_at", "zone", "day"),
    [
        (datetime(9999, 12, 31, 23, 59, tzinfo=UTC), "Europe/Helsinki", date.max),
        (datetime(1, 1, 1, tzinfo=UTC), "America/New_York", date.min),
    ],
)
def test_an_event_that_was_told_of_with_no_day_that_anybody_knows_stops_nobody(
    ends_at: datetime, zone: str, day: date
) -> None:
    assert event_anchor(event_state(ends_at=ends_at, time_zone=zone)).ends_on == day


@given(st.permutations([1, 2, 3, 4]))
def test_the_highest_version_of_an_event_holds(versions: list[int]) -> None:
    event_id = EventId(uuid4())
    anchors = [EventAnchor(event_id, v, "training", date(2026, 1, v)) for v in versions]
    assert newest(anchors)[event_id].version == 4


def test_what_has_no_anchor_yet_is_never_due() -> None:
    kept = term("consent", "marketing/contact", None, MARKETING, None)
    assert (kept.anchor_date, kept.due_on) == (None, None)


def test_a_registration_is_kept_as_long_as_the_last_of_its_data() -> None:
    assert longest([DIET, EVENT], date(2026, 6, 1)) == EVENT
    assert longest([], date(2026, 6, 1)) is None


@pytest.mark.parametrize(
    ("carries", "kept"),
    [(["diet"], DIET), (["diet", "contact"], EVENT), (["marketing"], EVENT), ([], EVENT)],
    ids=["diet", "diet-and-contact", "what-rests-on-a-consent", "nothing"],
)
def test_a_registration_without_data_of_the_event_is_kept_as_long_as_any_of_an_event(
    carries: list[str], kept: RetentionClass
) -> None:
    """That somebody took part is data, too."""
    classes = {one.name: one for one in (DIET, EVENT, MARKETING, LEDGER)}
    of_category = {"diet": DIET, "contact": EVENT, "marketing": MARKETING}
    rules = Rules(classes, of_category, {})
    assert class_of_registration(carries, rules, date(2026, 6, 1)) == kept
    without = Rules({"marketing": MARKETING}, of_category, {})
    assert class_of_registration(["marketing"], without, date(2026, 6, 1)) is None
