"""What is checked in of the long form, and which runs may write it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import orjson
import pytest
import typer

from tests.faults import __main__ as command
from tests.faults import run
from tests.faults.__main__ import RESULTS
from tests.faults.injuries import FOUND
from tests.faults.registry import Row
from tests.faults.run import Wanted
from tests.faults.world import Options

TIMES = {
    "service-dies": 1_000,
    "kafka-dies": 20,
    "broker-dies": 20,
    "postgres-dies": 20,
    "network": 50,
    "rebalance": 100,
    "stopped-too-long": 20,
    "gap": 3,
    "disk-full": 2,
    "duplicates": 1,
    "hostile-input": 100_000,
    "redrive": 20,
}
"""What is promised of the long form: a result of fewer times is another one."""


def checked_in() -> list[Row]:
    rows: list[Row] = orjson.loads(RESULTS.read_bytes())
    return rows


def test_the_long_form_is_as_long_as_promised() -> None:
    assert {name: injury.long for name, injury in FOUND.items()} == TIMES


def test_what_is_checked_in_has_every_injury_as_often_as_promised_and_each_has_passed() -> None:
    rows = checked_in()
    assert sorted((row["injury"], row["times"]) for row in rows) == sorted(TIMES.items())
    assert {(row["lost"], row["doubled"], row["reordered"]) for row in rows} == {(0, 0, 0)}
    assert [row for row in rows if not row["passed"]] == []
    (dies,) = (row for row in rows if row["injury"] == "service-dies")
    assert dies.get("deaths_at_rarest_step", 0) > 0


def test_a_row_that_is_checked_in_says_of_which_code_when_and_where_it_is() -> None:
    for row in checked_in():
        assert isinstance(row["seed"], int)
        assert re.fullmatch("[0-9a-f]{40}", row["commit"]), row
        assert date.fromisoformat(row["date"]) <= date.today()  # noqa: DTZ011 - as it was written
        assert row["machine"]


def test_rows_that_a_run_has_written_are_no_change_of_the_code(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "faults"
    (folder / "results").mkdir(parents=True)
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-C", str(tmp_path))
    for file in ("code", "tests/faults/results/latest.json"):
        (tmp_path / file).write_text("before", "utf-8")
    for command_line in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command_line], check=True)
    (folder / "results" / "latest.json").write_text("after", "utf-8")
    assert re.fullmatch("[0-9a-f]{40}", run.commit.__wrapped__(folder))
    (tmp_path / "code").write_text("after", "utf-8")
    assert run.commit.__wrapped__(folder).endswith(" and changes")


@pytest.fixture
def latest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """In the place of the file that is checked in, where nothing is injured and all has passed."""

    async def rows(wanted: Wanted, options: Options) -> AsyncIterator[Row]:
        ((one, times),) = wanted
        yield run.nothing_yet(one, times, options.seed) | {"passed": True}

    latest = tmp_path / "latest.json"
    monkeypatch.setattr(command, "rows_of", rows)
    monkeypatch.setattr(command, "why_impossible", lambda: None)
    monkeypatch.setattr(command, "RESULTS", latest)
    return latest


def inflict(*names: str, **options: object) -> None:
    with pytest.raises(typer.Exit):
        command.main(list(names), **options)  # type: ignore[arg-type]


def seeds(file: Path) -> dict[str, int]:
    return {row["injury"]: row["seed"] for row in orjson.loads(file.read_bytes())}


@pytest.mark.usefixtures("logging_as_it_was")
def test_the_whole_long_form_writes_what_is_checked_in_and_nothing_else_does(latest: Path) -> None:
    inflict("network")
    inflict(short=True)
    inflict(times=50)
    inflict(away=2.0)
    assert not latest.exists()
    inflict()
    assert seeds(latest) == dict.fromkeys(TIMES, 1)
    inflict("network", short=True, seed=2, output=latest.with_name("elsewhere.json"))
    assert seeds(latest.with_name("elsewhere.json")) == {"network": 2}
    assert seeds(latest) == dict.fromkeys(TIMES, 1)


@pytest.mark.usefixtures("logging_as_it_was")
def test_a_row_that_is_merged_takes_the_place_of_the_earlier_one(latest: Path) -> None:
    inflict()
    inflict("gap", "kafka-dies", seed=2, merge=True)
    assert seeds(latest) == dict.fromkeys(TIMES, 1) | {"gap": 2, "kafka-dies": 2}


@pytest.mark.parametrize("options", [{"short": True}, {"times": 3}, {"away": 2.0}])
def test_what_is_not_of_the_long_form_is_not_merged(
    options: dict[str, object], latest: Path
) -> None:
    with pytest.raises(typer.BadParameter, match="of the long form"):
        command.main(["network"], merge=True, **options)  # type: ignore[arg-type]
    assert not latest.exists()
