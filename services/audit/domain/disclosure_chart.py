"""How much was disclosed to whom on which day, drawn: one strip of bars for each recipient.

Strips share both scales, so that their bars compare; each stands beside the name of its recipient,
so that no colour has to be told from another one to read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

DAY_WIDTH: Final = 10.0
HEIGHT: Final = 48.0
_GAP: Final = 2.0
_LEAST: Final = 2.0
"""Of what is there at all: one person beside a thousand is still seen."""


class DayCount(NamedTuple):
    """One day and recipient: of how many people data was handed over, of how many it was refused,
    and of how many it was released and withheld before it left.
    """

    day: date
    recipient: str
    released: int
    refused: int
    withheld: int

    @property
    def kept(self) -> int:
        """Of how many it was not handed over."""
        return self.refused + self.withheld

    @property
    def total(self) -> int:
        """All who were asked for."""
        return self.released + self.kept


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's rectangles, in units of the strip: `y` counts downwards from its upper edge."""

    of: DayCount
    x: float
    width: float
    released_y: float
    released_height: float
    kept_y: float
    kept_height: float


@dataclass(frozen=True, slots=True)
class Strip:
    """One recipient's days."""

    recipient: str
    released: int
    refused: int
    withheld: int
    busiest: DayCount
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """`first` and `last` are days, both included. Strips: the recipient of most comes first."""

    first: date
    last: date
    highest: int
    """What a bar of full height stands for; 0 where there is nothing."""
    strips: tuple[Strip, ...]
    counts: tuple[DayCount, ...]
    """All that is drawn, in order of days: the same as a table."""

    height: float = HEIGHT

    @property
    def width(self) -> float:
        """Of every strip, in its own units, as its height is."""
        return DAY_WIDTH * ((self.last - self.first).days + 1)

    @property
    def middle(self) -> date:
        """The day in the middle, for the axis."""
        return self.first + timedelta(days=(self.last - self.first).days // 2)


def draw_chart(counts: Iterable[DayCount], first: date, last: date) -> Chart:
    """The chart of days from `first` to `last`. Days without anything have no bar.

    ValueError where a count is of another day.
    """
    ordered = tuple(sorted(counts))
    if any(not first <= one.day <= last for one in ordered):
        raise ValueError("a count is of a day outside of the chart")
    highest = max((one.total for one in ordered), default=0)
    by_recipient: dict[str, list[DayCount]] = {}
    for one in ordered:
        by_recipient.setdefault(one.recipient, []).append(one)
    strips = [_strip(name, of, first, highest) for name, of in by_recipient.items()]
    strips.sort(
        key=lambda strip: (-strip.released, -strip.refused, -strip.withheld, strip.recipient)
    )
    return Chart(first, last, highest, tuple(strips), ordered)


def _strip(recipient: str, counts: Sequence[DayCount], first: date, highest: int) -> Strip:
    return Strip(
        recipient,
        sum(one.released for one in counts),
        sum(one.refused for one in counts),
        sum(one.withheld for one in counts),
        max(counts, key=lambda one: one.total),
        tuple(_bar(one, first, highest) for one in counts),
    )


def _bar(of: DayCount, first: date, highest: int) -> Bar:
    released, kept = (_height(count, highest) for count in (of.released, of.kept))
    # What is made visible must not push the rest out of the strip.
    over = max(0.0, released + kept - HEIGHT)
    if released > kept:
        released -= over
    else:
        kept -= over
    return Bar(
        of,
        x=DAY_WIDTH * (of.day - first).days + _GAP / 2,
        width=DAY_WIDTH - _GAP,
        released_y=HEIGHT - released,
        released_height=released,
        kept_y=HEIGHT - released - kept,
        kept_height=kept,
    )


def _height(count: int, highest: int) -> float:
    return max(_LEAST, round(HEIGHT * count / highest, 2)) if count else 0.0
