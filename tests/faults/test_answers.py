"""What the comparison calls lost, doubled and reordered, and that the model keeps its own rules."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.privacy.plan import load_plan
from tests.faults.answers import Answers, compare, subtract
from tests.faults.ground import PLAN
from tests.faults.load import FAIR, MOST_PER_SECOND, Load
from tests.faults.model import LASTS_AT_MOST, Model, YearEndsError, end_of_year

BEGINS = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)
YEAR_ENDS = date(2026, 12, 31)


def answers(*facts: str, rows: tuple[str, ...] = ("a row",)) -> Answers:
    made = Answers()
    for row in rows:
        made.row("a table", row)
    for fact in facts:
        made.fact("a topic", "somebody", fact)
    return made


@pytest.mark.parametrize(
    ("found", "lost", "doubled", "reordered"),
    [
        (answers("said", "taken back"), 0, 0, 0),
        (answers("said"), 1, 0, 0),
        (answers("said", "said", "taken back"), 0, 1, 0),
        (answers("taken back", "said"), 0, 0, 1),
        (answers("said", "taken back", rows=()), 1, 0, 0),
        (answers("said", "taken back", rows=("a row", "a row")), 0, 1, 0),
        (answers("said", "taken back", rows=("another row",)), 1, 1, 0),
    ],
)
def test_differences_are_told_apart(
    found: Answers, lost: int, doubled: int, reordered: int
) -> None:
    difference = compare(answers("said", "taken back"), found)
    counts = [len(one) for one in (difference.lost, difference.doubled, difference.reordered)]
    assert counts == [lost, doubled, reordered]
    assert bool(difference) == any(counts)


@pytest.mark.parametrize(
    ("found", "lost", "doubled"),
    [
        (("a row", "kept", "its schedule"), 0, 0),
        (("a row", "left out"), 0, 0),
        (("a row", "kept"), 1, 0),
        (("a row", "left out", "its schedule"), 0, 1),
        (("a row",), 2, 0),
    ],
)
def test_of_rows_that_a_timing_decides_one_side_has_to_be_there_whole(
    found: tuple[str, ...], lost: int, doubled: int
) -> None:
    right = answers()
    right.either.append((answers(rows=("kept", "its schedule")), answers(rows=("left out",))))
    difference = compare(right, answers(rows=found))
    assert (len(difference.lost), len(difference.doubled)) == (lost, doubled)


def test_what_was_known_is_not_found_again() -> None:
    known = compare(answers("said", "taken back"), answers("said"))
    both = compare(answers("said", "taken back"), answers("said", rows=()))
    assert subtract(both, known).lost == ["a table: ('a row',)"]
    assert not subtract(known, known)


def test_the_same_seed_makes_the_same_load() -> None:
    one, same, other = Load(1, BEGINS), Load(1, BEGINS), Load(2, BEGINS)
    made = [load.prelude() + load.some(300) for load in (one, same, other)]
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_the_model_gives_no_place_twice_and_none_away() -> None:
    load, model = Load(1, BEGINS), Model(load_plan(PLAN), BEGINS, YEAR_ENDS)
    for message in load.prelude() + load.some(3_000):
        model.take(message)
    at_fair = [row for row in model.registrations.values() if row.offer is FAIR]
    assert Counter(row.status for row in at_fair)["registered"] == FAIR.capacity
    assert len({row.number for row in at_fair}) == len(at_fair) > 50
    assert compare(model.answers({}), model.answers({})).lost == []


def test_the_quickest_load_never_speaks_of_the_future() -> None:
    load = Load(1, BEGINS)
    messages = load.prelude() + load.some(20_000)
    lasts = timedelta(seconds=len(messages) / MOST_PER_SECOND)
    assert messages[-1].at - BEGINS < lasts
    assert len({message.at for message in messages}) == len({message.id for message in messages})


def test_an_invoice_of_new_years_day_is_of_the_new_year() -> None:
    begins, now = (datetime(2026, 12, 31, hour, 30, tzinfo=UTC) for hour in (10, 22))
    plan = load_plan(PLAN)
    load, model = Load(1, begins), Model(plan, begins, end_of_year(plan, now))
    for message in load.prelude() + load.some(100):
        model.take(message)
    items = model.answers({}).rows["retention.schedule_item"]
    due = {row[3] for row in items if isinstance(row, tuple) and row[2] == "voucher"}
    period = plan.retention["voucher"].period
    assert due == {period.after(date(2027, 12, 31)) + timedelta(days=1)}


def test_a_run_over_new_year_does_not_begin() -> None:
    plan, midnight = load_plan(PLAN), datetime(2026, 12, 31, 22, tzinfo=UTC)  # in Helsinki
    assert end_of_year(plan, midnight - 2 * LASTS_AT_MOST) == date(2026, 12, 31)
    with pytest.raises(YearEndsError):
        end_of_year(plan, midnight - LASTS_AT_MOST / 2)
    assert end_of_year(plan, midnight) == date(2027, 12, 31)
