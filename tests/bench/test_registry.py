from __future__ import annotations

import pytest

from bench.ground import Ground
from bench.registry import BENCHMARKS, Benchmark, Measured, benchmark, ratio, with_needs
from bench.sizes import Sizes
from bench.throughput import STEWARD


async def three(ground: Ground) -> float:
    return 3.0


@pytest.fixture
def ground() -> Ground:
    """Two rounds, and no server: nothing here asks for one."""
    return Ground(Sizes(rounds=2), lambda _: None)


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Benchmark]:
    """What a test registers is forgotten after it."""
    known = dict(BENCHMARKS)
    monkeypatch.setattr("bench.registry.BENCHMARKS", known)
    return known


@pytest.mark.parametrize(
    ("aim", "better", "met"),
    [(None, "higher", True), (3, "higher", True), (4, "higher", False), (2, "lower", False)],
)
def test_a_row_says_whether_the_aim_is_met(aim: float | None, better: str, met: bool) -> None:
    row = Benchmark("three", "things", aim, better, three).row(Measured([3.0]))  # type: ignore[arg-type]  # one of the two
    assert row == {
        "name": "three",
        "value": 3.0,
        "unit": "things",
        "aim": aim,
        "better": better,
        "met": met,
        "runs": [3.0],
        "spread": None,
    }


def test_a_row_of_several_runs_has_their_median_and_spread() -> None:
    row = Benchmark("three", "things", 5, "higher", three).row(
        Measured([4.0, 10.0, 5.0], {"rows": 7})
    )
    assert (row["value"], row["met"], row["runs"]) == (5.0, True, [4.0, 10.0, 5.0])
    assert row["spread"] == pytest.approx(6 / 5)
    assert row["details"] == {"rows": 7}


def test_two_benchmarks_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        benchmark(STEWARD, unit="messages/s")(three)


def test_what_a_benchmark_needs_comes_before_it_and_once() -> None:
    benchmark("base", unit="x")(three)
    benchmark("one", unit="x", needs=("base",))(three)
    benchmark("two", unit="x", needs=("base", "one"))(three)
    assert with_needs(["two", "one"]) == ["base", "one", "two"]


async def test_repeated_benchmarks_take_turns(ground: Ground) -> None:
    turns: list[tuple[str, int]] = []

    def register(name: str, *, repeated: bool) -> None:
        @benchmark(name, unit="x", repeated=repeated)
        async def measure(ground: Ground) -> float:
            turns.append((name, ground.round))
            return 1.0

    register("once", repeated=False)
    register("first", repeated=True)
    register("second", repeated=True)
    await ground.results.measure(["once", "first", "second"])
    assert turns == [("first", 0), ("second", 0), ("first", 1), ("second", 1), ("once", 1)]
    assert ground.results.runs("first") == [1.0, 1.0]


async def test_a_ratio_compares_what_ran_in_the_same_round(ground: Ground) -> None:
    @benchmark("fast", unit="x", repeated=True)
    async def fast(ground: Ground) -> float:
        return (10.0, 30.0)[ground.round]

    @benchmark("slow", unit="x", repeated=True)
    async def slow(ground: Ground) -> float:
        return (5.0, 10.0)[ground.round]

    ratio("fast-to-slow", of="fast", to="slow", aim=2)
    await ground.results.measure(["fast-to-slow"])
    assert ground.results.runs("fast-to-slow") == [2.0, 3.0]
    assert [row["name"] for row in ground.results.rows] == ["fast", "slow", "fast-to-slow"]


async def test_one_that_fails_takes_only_those_with_it_that_need_it(ground: Ground) -> None:
    @benchmark("broken", unit="x", repeated=True)
    async def broken(ground: Ground) -> float:
        if ground.round == 1:
            raise OSError("no server")
        return 1.0

    benchmark("whole", unit="x")(three)
    ratio("broken-to-whole", of="broken", to="whole", aim=None)
    await ground.results.measure(["broken-to-whole", "whole"])
    assert set(ground.results.failures) == {"broken", "broken-to-whole"}
    assert [row["name"] for row in ground.results.rows] == ["whole"]
