"""What the comparison calls lost, doubled and reordered, and that the model keeps its own rules."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from shared.privacy.plan import load_plan
from tests.faults.answers import Answers, compare, subtract
from tests.faults.ground import PLAN
from tests.faults.load import FAIR, Load
from tests.faults.model import Model

BEGINS = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)


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
    load, model = Load(1, BEGINS), Model(load_plan(PLAN), BEGINS)
    for message in load.prelude() + load.some(3_000):
        model.take(message)
    at_fair = [row for row in model.registrations.values() if row.offer is FAIR]
    assert Counter(row.status for row in at_fair)["registered"] == FAIR.capacity
    assert len({row.number for row in at_fair}) == len(at_fair) > 50
    assert compare(model.answers({}), model.answers({})).lost == []
