"""Median, spread, percentile and slope: what a list of measured values comes to. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import linear_regression


def spread(runs: Sequence[float]) -> float | None:
    """Largest less smallest, as a share of the median; None where one run tells nothing of it."""
    if len(runs) < 2:
        return None
    middle = percentile(runs, 0.5)
    return (max(runs) - min(runs)) / abs(middle) if middle else None


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all values (0 to 1) does not exceed, between neighbours linear.

    Raises ValueError where there is no value.
    """
    if not values:
        raise ValueError("no value was measured")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below, above = math.floor(place), math.ceil(place)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def median(values: Sequence[float]) -> float:
    """The middle value; of an even number the mean of the two."""
    return percentile(values, 0.5)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much the second of a pair grows with the first: least squares; 0 where nothing varies."""
    if len({first for first, _ in points}) < 2:
        return 0.0
    return linear_regression(*zip(*points, strict=True)).slope
