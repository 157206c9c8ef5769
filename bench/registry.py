"""A benchmark is one function. What it needs is started once and shared by all of one run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from bench.figures import median, spread

if TYPE_CHECKING:
    from bench.ground import Ground

Better = Literal["higher", "lower"]
Details = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Measured:
    """Values of the runs, in their order, and what else is to be told of them."""

    runs: Sequence[float]
    details: Details = field(default_factory=dict)


Measure = Callable[["Ground"], Awaitable[float | Measured]]


class Row(TypedDict):
    """One line of `results/latest.json`: `value` is the median of `runs`.

    `spread` is the largest less the smallest run as a share of the median; None of a single run.
    Without an aim, `met` says nothing and is true.
    """

    name: str
    value: float
    unit: str
    aim: float | None
    better: Better
    met: bool
    runs: list[float]
    spread: float | None
    details: NotRequired[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is measured, in which unit, and what is to be reached.

    `repeated`: once in each round, in turn with the others that are, so that a slow minute of the
    machine is nobody's alone. `needs` names what has to be measured before it.
    """

    name: str
    unit: str
    aim: float | None
    better: Better
    measure: Measure
    repeated: bool = False
    needs: tuple[str, ...] = ()

    def row(self, measured: Measured) -> Row:
        """The values against the aim."""
        value = median(measured.runs)
        met = self.aim is None or (
            value >= self.aim if self.better == "higher" else value <= self.aim
        )
        row = Row(
            name=self.name,
            value=value,
            unit=self.unit,
            aim=self.aim,
            better=self.better,
            met=met,
            runs=list(measured.runs),
            spread=spread(measured.runs),
        )
        if measured.details:
            row["details"] = dict(measured.details)
        return row


BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(
    name: str,
    *,
    unit: str,
    aim: float | None = None,
    better: Better = "higher",
    repeated: bool = False,
    needs: Sequence[str] = (),
) -> Callable[[Measure], Measure]:
    """Register a function that takes the ground and returns the value, or several runs of it."""

    def register(measure: Measure) -> Measure:
        if name in BENCHMARKS:
            raise ValueError(f"benchmark {name} is registered twice")
        BENCHMARKS[name] = Benchmark(name, unit, aim, better, measure, repeated, tuple(needs))
        return measure

    return register


def ratio(name: str, *, of: str, to: str, aim: float | None, better: Better = "higher") -> None:
    """Register the ratio of two benchmarks, round by round: both ran in the same minute."""

    @benchmark(name, unit="ratio", aim=aim, better=better, needs=(of, to))
    async def measure(ground: Ground) -> Measured:
        runs, others = ground.results.runs(of), ground.results.runs(to)
        return Measured([one / other for one, other in zip(runs, others, strict=True)])


def with_needs(names: Iterable[str]) -> list[str]:
    """These benchmarks and what they need, each once and behind what it needs."""
    ordered: dict[str, None] = {}
    for name in names:
        for needed in (*with_needs(BENCHMARKS[name].needs), name):
            ordered[needed] = None
    return list(ordered)


class Results:
    """Values of one run: each benchmark measured once, or once in each round."""

    def __init__(self, ground: Ground, tell: Callable[[str], None]) -> None:
        self._ground = ground
        self._tell = tell
        self._runs: dict[str, list[float]] = {}
        self._details: dict[str, Details] = {}
        self.failures: dict[str, Exception] = {}

    def runs(self, name: str) -> list[float]:
        """The values of a benchmark that was measured; KeyError where it was not."""
        return self._runs[name]

    def value(self, name: str) -> float:
        """Their median."""
        return median(self._runs[name])

    @property
    def rows(self) -> list[Row]:
        """What was measured, in the order in which it was begun."""
        return [
            BENCHMARKS[name].row(Measured(runs, self._details[name]))
            for name, runs in self._runs.items()
        ]

    async def measure(self, names: Iterable[str]) -> None:
        """Measure all of these, and what they are compared with.

        One that fails is kept in `failures`, with those that need it; the others go on.
        """
        wanted = with_needs(names)
        for name, label in self._turns(wanted):
            known = BENCHMARKS[name]
            missing = [needed for needed in known.needs if needed in self.failures]
            if name in self.failures:
                continue
            self._tell(label)
            try:
                if missing:
                    raise LookupError(f"it needs {', '.join(missing)}, which failed")
                self._keep(name, await known.measure(self._ground))
            except Exception as error:  # noqa: BLE001 - one that fails takes no other's result away
                self.failures[name] = error
                self._runs.pop(name, None)
                await self._ground.leave()

    def _turns(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Whose turn it is, and how that is told: the repeated ones first, round by round."""
        repeated = [name for name in names if BENCHMARKS[name].repeated]
        rounds = self._ground.sizes.rounds
        for number in range(rounds):
            self._ground.round = number
            for name in repeated:
                yield name, f"{name} ({number + 1} of {rounds})"
        for name in names:
            if name not in repeated:
                yield name, name

    def _keep(self, name: str, measured: float | Measured) -> None:
        one = measured if isinstance(measured, Measured) else Measured([measured])
        self._runs.setdefault(name, []).extend(one.runs)
        self._details[name] = one.details
