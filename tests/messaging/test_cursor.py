"""Where in a lane of the outbox to read on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.cursor import Cursor

DECIDED_S = 10.0
LOOK_BACK_S = 50.0


@dataclass(frozen=True)
class Said:
    """A transaction: the moment at which it gives its id, and that at which it commits."""

    given: float
    takes: float

    @property
    def commits(self) -> float:
        return self.given + self.takes


moments = st.floats(0, 100, allow_nan=False)
said = st.builds(Said, moments, st.floats(0, DECIDED_S, exclude_max=True))
said_by_any = st.builds(Said, moments, st.floats(0, 300, allow_nan=False))


def left_over(drawn: list[Said], reads: list[float], most: int, cursor: Cursor) -> dict[int, Said]:
    """What was never read of a table of committed rows from which those that were read are gone."""
    rows = dict(enumerate(sorted(drawn, key=lambda one: one.given), 1))
    for at in sorted(reads):
        there = [
            number for number, one in rows.items() if number > cursor.after and one.commits <= at
        ]
        found = there[:most]
        cursor.saw(at, at, found[-1] if found else None, everything=len(found) < most)
        for number in found:
            del rows[number]
    return rows


@given(st.lists(said, max_size=30), st.lists(moments, max_size=40), st.integers(1, 5))
def test_everything_is_read_however_late_it_commits(
    drawn: list[Said], reads: list[float], most: int
) -> None:
    reads += [200.0 + number for number in range(len(drawn) + 1)]
    assert left_over(drawn, reads, most, Cursor(DECIDED_S, math.inf)) == {}


@given(st.lists(said_by_any, max_size=30), st.lists(moments, max_size=40), st.integers(1, 5))
def test_what_commits_after_every_limit_is_read_when_all_is_looked_through(
    drawn: list[Said], reads: list[float], most: int
) -> None:
    """As a commit does that waits for a standby, or for a disk that has stalled."""
    reads += [100.0 + number for number in range(300 + int(LOOK_BACK_S) + len(drawn) + 2)]
    assert left_over(drawn, reads, most, Cursor(DECIDED_S, LOOK_BACK_S)) == {}


def test_it_moves_on_once_all_is_decided_so_that_what_was_read_is_not_looked_through_for_ever() -> (
    None
):
    cursor = Cursor(DECIDED_S, LOOK_BACK_S)
    cursor.saw(0.0, 1.0, 7, everything=True)
    cursor.saw(10.9, 10.9, None, everything=True)
    assert cursor.after == 0, "a smaller one could have come since"
    cursor.saw(11.0, 11.0, None, everything=True)
    assert cursor.after == 7


def test_a_read_that_did_not_come_so_far_decides_nothing() -> None:
    cursor = Cursor(DECIDED_S, LOOK_BACK_S)
    cursor.saw(0.0, 0.0, 7, everything=True)
    cursor.saw(20.0, 20.0, 5, everything=False)
    assert cursor.after == 0
    cursor.saw(20.1, 20.1, 9, everything=False)
    assert cursor.after == 7


def test_what_came_late_does_not_move_it_back() -> None:
    cursor = Cursor(DECIDED_S, LOOK_BACK_S)
    cursor.saw(0.0, 0.0, 7, everything=True)
    cursor.saw(1.0, 1.0, 5, everything=True)
    cursor.saw(30.0, 30.0, None, everything=True)
    assert cursor.after == 7


def test_all_is_looked_through_once_in_a_while_and_then_it_reads_on_where_it_was() -> None:
    cursor = Cursor(DECIDED_S, LOOK_BACK_S)
    cursor.saw(0.0, 0.0, 7, everything=True)
    cursor.saw(11.0, 11.0, None, everything=True)
    seen = []
    for second in range(12, 130):
        cursor.saw(float(second), float(second), None, everything=True)
        seen.append(cursor.after)
    assert set(seen) == {0, 7}
    assert seen.count(0) == 2


def test_a_look_through_all_goes_on_until_it_has_come_to_where_it_was() -> None:
    """Many can have waited for the same standby."""
    cursor = Cursor(DECIDED_S, LOOK_BACK_S)
    cursor.saw(0.0, 0.0, 7, everything=True)
    cursor.saw(20.0, 20.0, None, everything=True)
    assert cursor.after == 7
    cursor.saw(70.0, 70.0, None, everything=True)
    assert cursor.after == 0
    cursor.saw(71.0, 71.0, 3, everything=False)
    assert cursor.after == 0
    cursor.saw(72.0, 72.0, 9, everything=False)
    assert cursor.after == 7
