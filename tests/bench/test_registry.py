from __future__ import annotations

import pytest

from bench.ground import Ground
from bench.load import announcements, registrations
from bench.registry import BENCHMARKS, Benchmark, benchmark
from bench.throughput import STEWARD
from shared.contract.codec import decode
from shared.contract.message import Message
from shared.runtime.secrets import SecretsFolder
from tests.support.records import MadeRecord


async def three(ground: Ground) -> float:
    return 3.0


@pytest.mark.parametrize(
    ("aim", "better", "met"),
    [(None, "higher", True), (3, "higher", True), (4, "higher", False), (2, "lower", False)],
)
def test_a_row_says_whether_the_aim_is_met(aim: float | None, better: str, met: bool) -> None:
    row = Benchmark("three", "things", aim, better, three).row(3.0)  # type: ignore[arg-type]  # one of the two
    assert row == {
        "name": "three",
        "value": 3.0,
        "unit": "things",
        "aim": aim,
        "better": better,
        "met": met,
    }


def test_two_benchmarks_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        benchmark(STEWARD, unit="messages/s")(three)


async def test_each_value_is_measured_once(
    secrets_folder: SecretsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    async def counted(ground: Ground) -> float:
        calls.append(ground)
        return 2.0

    async def twice(ground: Ground) -> float:
        return 2 * await ground.results.value("counted")

    for name, measure in (("counted", counted), ("twice", twice)):
        monkeypatch.setitem(BENCHMARKS, name, Benchmark(name, "x", None, "higher", measure))
    ground = Ground("", "", secrets_folder, 1, lambda _: None)
    await ground.results.measure(["twice", "counted"])
    assert [row["name"] for row in ground.results.rows] == ["counted", "twice"]
    assert len(calls) == 1


def test_the_load_is_valid_and_of_the_size_that_is_said() -> None:
    sizes = []
    for topic, key, value, headers in (*announcements(), *registrations(0, 200)):
        assert isinstance(decode(MadeRecord(value, tuple(headers), key, topic)), Message)
        sizes.append(len(value))
    assert 350 <= sum(sizes[5:]) / 200 <= 450
