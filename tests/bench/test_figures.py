from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import median, percentile, slope, spread

positive = st.floats(min_value=1, max_value=1e6)


def test_the_median_is_in_the_middle() -> None:
    assert median([9, 1, 5]) == 5
    assert median([1, 2, 4, 9]) == 3


def test_a_percentile_lies_between_its_neighbours() -> None:
    hundred = list(range(101))
    assert percentile(hundred, 0.99) == 99
    assert percentile([10, 20], 0.25) == 12.5


def test_no_value_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no value"):
        percentile([], 0.5)


def test_one_run_tells_nothing_of_spread() -> None:
    assert spread([5.0]) is None
    assert spread([4.0, 5.0, 6.0]) == pytest.approx(0.4)


@given(st.lists(positive, min_size=2), st.floats(min_value=0.1, max_value=10))
def test_spread_does_not_depend_on_the_unit(runs: list[float], unit: float) -> None:
    scaled = spread([run * unit for run in runs])
    assert scaled == pytest.approx(spread(runs), rel=1e-6, abs=1e-9)


def test_slope_is_growth_for_each() -> None:
    assert slope([(0, 10), (1, 12), (2, 14)]) == pytest.approx(2)


def test_where_nothing_went_on_nothing_grew() -> None:
    assert slope([(5, 10), (5, 30)]) == 0
