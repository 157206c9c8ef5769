"""A benchmark is one function. What it needs is started once and shared by all of one run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from bench.ground import Ground

Better = Literal["higher", "lower"]
Measure = Callable[["Ground"], Awaitable[float]]


class Row(TypedDict):
    """One line of `results/latest.json`. Without an aim, `met` says nothing and is true."""

    name: str
    value: float
    unit: str
    aim: float | None
    better: Better
    met: bool


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is measured, in which unit, and what is to be reached."""

    name: str
    unit: str
    aim: float | None
    better: Better
    measure: Measure

    def row(self, value: float) -> Row:
        """The value against the aim."""
        met = self.aim is None or (
            value >= self.aim if self.better == "higher" else value <= self.aim
        )
        return Row(
            name=self.name,
            value=value,
            unit=self.unit,
            aim=self.aim,
            better=self.better,
            met=met,
        )


BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(
    name: str, *, unit: str, aim: float | None = None, better: Better = "higher"
) -> Callable[[Measure], Measure]:
    """Register a function that takes the ground and returns the value."""

    def register(measure: Measure) -> Measure:
        if name in BENCHMARKS:
            raise ValueError(f"benchmark {name} is registered twice")
        BENCHMARKS[name] = Benchmark(name, unit, aim, better, measure)
        return measure

    return register


class Results:
    """Values of one run, each measured once, in the order in which they were."""

    def __init__(self, ground: Ground, tell: Callable[[str], None]) -> None:
        self._ground = ground
        self._tell = tell
        self.rows: list[Row] = []

    async def value(self, name: str) -> float:
        """The value of a benchmark: measured now, unless it was already."""
        for row in self.rows:
            if row["name"] == name:
                return row["value"]
        known = BENCHMARKS[name]
        self._tell(name)
        measured = await known.measure(self._ground)
        self.rows.append(known.row(measured))
        return measured

    async def measure(self, names: Iterable[str]) -> None:
        """Measure all of these, and what they are compared with."""
        for name in names:
            await self.value(name)
