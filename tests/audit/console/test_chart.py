"""How disclosures per day and recipient are drawn."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.disclosure_chart import DAY_WIDTH, HEIGHT, DayCount, draw_chart

FIRST = date(2026, 9, 1)
LAST = date(2026, 9, 30)

counts = st.lists(
    st.builds(
        DayCount,
        st.integers(0, 29).map(lambda days: FIRST + timedelta(days)),
        st.sampled_from(["caterer", "hotel", "bus"]),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
    ),
    unique_by=lambda one: (one.day, one.recipient),
)


def test_nothing_makes_no_strips() -> None:
    chart = draw_chart([], FIRST, LAST)
    assert (chart.strips, chart.counts, chart.highest) == ((), (), 0)
    assert chart.width == 30 * DAY_WIDTH


def test_a_bar_stands_on_its_day_and_is_as_high_as_it_counts() -> None:
    chart = draw_chart(
        [
            DayCount(date(2026, 9, 3), "hotel", 10, 0, 0),
            DayCount(date(2026, 9, 4), "hotel", 4, 1, 2),
        ],
        FIRST,
        LAST,
    )
    (strip,) = chart.strips
    highest, other = strip.bars
    assert highest.released_height == HEIGHT
    assert 2 * DAY_WIDTH < highest.x < 3 * DAY_WIDTH
    assert other.released_height == pytest.approx(0.4 * HEIGHT, abs=0.01)
    assert other.kept_height == pytest.approx(0.3 * HEIGHT, abs=0.01), "refused or withheld"
    assert other.kept_y + other.kept_height == other.released_y
    assert strip.busiest.day == date(2026, 9, 3)


def test_who_got_most_comes_first() -> None:
    chart = draw_chart(
        [
            DayCount(FIRST, name, *counted)
            for name, *counted in (("a", 1, 5, 0), ("b", 2, 0, 0), ("c", 1, 6, 0), ("d", 1, 5, 1))
        ],
        FIRST,
        LAST,
    )
    assert [strip.recipient for strip in chart.strips] == ["b", "c", "d", "a"]


def test_one_person_is_seen_beside_thousands() -> None:
    chart = draw_chart(
        [DayCount(FIRST, "a", 9_999, 1, 0), DayCount(FIRST, "b", 1, 0, 0)], FIRST, LAST
    )
    assert min(bar.released_height for strip in chart.strips for bar in strip.bars) >= 2
    assert chart.strips[0].bars[0].kept_height >= 2


def test_a_day_outside_of_the_chart_is_refused() -> None:
    with pytest.raises(ValueError, match="a day outside"):
        draw_chart([DayCount(date(2026, 10, 1), "a", 1, 0, 0)], FIRST, LAST)


@given(counts)
def test_every_bar_is_inside_and_all_that_is_drawn_is_in_the_table(of: list[DayCount]) -> None:
    chart = draw_chart(of, FIRST, LAST)
    drawn = [bar for strip in chart.strips for bar in strip.bars]
    assert sorted(bar.of for bar in drawn) == list(chart.counts) == sorted(of)
    for bar in drawn:
        assert bar.x >= 0
        assert bar.x + bar.width <= chart.width
        assert -1e-9 <= bar.kept_y <= bar.released_y <= HEIGHT
        assert bar.released_y + bar.released_height == pytest.approx(HEIGHT)
        assert (bar.released_height > 0) == (bar.of.released > 0)
        assert (bar.kept_height > 0) == (bar.of.kept > 0)
    assert sum(strip.released for strip in chart.strips) == sum(one.released for one in of)
