from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

import pytest

from shared.contract.message import Envelope, Message
from shared.contract.retention import ErasureDue
from shared.privacy.plan import Period, Plan
from tests.support.plans import PLAN
from tests.support.records import MadeRecord


def test_the_plan_that_is_shipped_agrees_with_itself(plan: Plan) -> None:
    assert plan.digest == hashlib.sha256(PLAN.read_bytes()).hexdigest()
    assert plan.fields["diet.text"].special
    assert plan.special("diet")
    assert not plan.special("contact")
    assert plan.recipients["caterer"].categories == {"contact", "diet"}
    assert plan.retention_of("diet")[1].period == Period(days=14)


def message(source: str, kind: str) -> Message[ErasureDue]:
    data = ErasureDue(retention_class="diet", cut_off=datetime(2026, 1, 1, tzinfo=UTC))
    record = MadeRecord(None)
    return Message(record, Envelope(id="1", source=source, type=kind, version=1), data)


@pytest.mark.parametrize(
    ("source", "kind", "reason"),
    [
        ("https://www.example.org/steward", "ContactSubmitted", None),
        ("https://www.example.org/steward", "EventAnnounced", "type_not_allowed"),
        ("https://elsewhere.example.org/canary", "ContactSubmitted", "source_unknown"),
    ],
)
def test_a_source_may_send_the_types_that_the_plan_lets_it(
    plan: Plan, source: str, kind: str, reason: str | None
) -> None:
    fault = plan.admit(message(source, kind))
    assert (fault and fault.reason) == reason
    assert "canary" not in repr(fault)


def test_a_wording_is_known_by_id_and_by_digest(plan: Plan) -> None:
    wording = plan.wording("marketing-2026", "fi")
    assert wording is not None
    assert wording.digest == hashlib.sha256(wording.text.encode()).hexdigest()
    assert plan.wording(wording.digest, "fi") == wording
    assert plan.wording(wording.digest, "en") is None
    assert plan.wording("marketing-2026", "sv") is None


@pytest.mark.parametrize(
    ("start", "period", "end"),
    [
        (date(2024, 3, 31), "P10Y", date(2034, 3, 31)),
        (date(2024, 12, 31), "P6Y", date(2030, 12, 31)),
        (date(2026, 8, 31), "P6M", date(2027, 2, 28)),
        (date(2024, 2, 29), "P1Y", date(2025, 2, 28)),
        (date(2026, 12, 24), "P14D", date(2027, 1, 7)),
        (date(2026, 1, 31), "P1Y1M1D", date(2027, 3, 1)),
        (date(2026, 5, 5), "P0D", date(2026, 5, 5)),
    ],
)
def test_a_period_ends_on_a_day_that_exists(start: date, period: str, end: date) -> None:
    assert Period.parse(period).after(start) == end
    assert str(Period.parse(period)) == period


@pytest.mark.parametrize(
    ("disclosures", "readings", "today", "first"),
    [
        ("P3Y", "P2Y", date(2027, 3, 1), date(2024, 3, 1)),
        ("P3Y", "P2Y", date(2027, 2, 28), date(2024, 2, 28)),  # and 29 February ends that day too
        ("P1Y", "P6Y", date(2027, 3, 1), date(2021, 3, 1)),
        ("P0D", "P0D", date(2027, 3, 1), date(2027, 3, 1)),
    ],
)
def test_the_log_tells_until_the_longest_period_is_over(
    plan: Plan, disclosures: str, readings: str, today: date, first: date
) -> None:
    short = Period.parse("P0D")
    periods = plan.accountability.model_copy(
        update={
            "disclosures": Period.parse(disclosures),
            "readings": Period.parse(readings),
            "consents": short,
            "erasures": short,
            "sign_ins": Period.parse("P9Y"),
        }
    )
    assert periods.first_day_told(today) == first


@pytest.mark.parametrize(
    ("today", "first"),
    [
        (date(2028, 3, 1), date(2026, 3, 1)),
        (date(2028, 3, 2), date(2026, 3, 2)),
        (date(2026, 2, 28), date(2024, 2, 28)),
    ],
)
def test_readings_are_told_for_their_own_period(plan: Plan, today: date, first: date) -> None:
    assert plan.accountability.first_reading_told(today) == first


@pytest.mark.parametrize("text", ["", "P", "6Y", "P6W", "PT1H", "P-1Y", "P1M1Y"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        Period.parse(text)


@pytest.mark.parametrize(
    ("starts", "day", "end"),
    [
        ("01-01", date(2026, 11, 1), date(2026, 12, 31)),
        ("04-01", date(2024, 3, 31), date(2024, 3, 31)),
        ("04-01", date(2024, 4, 1), date(2025, 3, 31)),
    ],
)
def test_a_financial_year_ends_before_the_next_begins(
    plan: Plan, starts: str, day: date, end: date
) -> None:
    assert plan.financial_year.model_copy(update={"starts": starts}).end(day) == end
