"""Where in a lane of the outbox to read on."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.cursor import Cursor

DECIDED_S = 10.0


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


@given(st.lists(said, max_size=30), st.lists(moments, max_size=40), st.integers(1, 5))
def test_everything_is_read_once_however_late_it_commits(
    drawn: list[Said], reads: list[float], most: int
) -> None:
    """In a table of committed rows from which those that were read are gone."""
    rows = dict(enumerate(sorted(drawn, key=lambda one: one.given), 1))
    cursor, read = Cursor(DECIDED_S), list[int]()
    for at in sorted([*reads, *(200.0 + number for number in range(len(rows) + 1))]):
        there = [
            number
            for number, one in rows.items()
            if number > cursor.after and one.commits <= at and number not in read
        ]
        found = there[:most]
        cursor.saw(at, at, found[-1] if found else None, everything=len(found) < most)
        read += found
    assert sorted(read) == sorted(rows)


def test_it_moves_on_once_all_is_decided_so_that_what_was_read_is_not_looked_through_for_ever() -> (
    None
):
    cursor = Cursor(DECIDED_S)
    cursor.saw(0.0, 1.0, 7, everything=True)
    cursor.saw(10.9, 10.9, None, everything=True)
    assert cursor.after == 0, "a smaller one could have come since"
    cursor.saw(11.0, 11.0, None, everything=True)
    assert cursor.after == 7


def test_a_read_that_did_not_come_so_far_decides_nothing() -> None:
    cursor = Cursor(DECIDED_S)
    cursor.saw(0.0, 0.0, 7, everything=True)
    cursor.saw(20.0, 20.0, 5, everything=False)
    assert cursor.after == 0
    cursor.saw(20.1, 20.1, 9, everything=False)
    assert cursor.after == 7


def test_what_came_late_does_not_move_it_back() -> None:
    cursor = Cursor(DECIDED_S)
    cursor.saw(0.0, 0.0, 7, everything=True)
    cursor.saw(1.0, 1.0, 5, everything=True)
    cursor.saw(30.0, 30.0, None, everything=True)
    assert cursor.after == 7
