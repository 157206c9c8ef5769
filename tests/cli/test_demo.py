"""The demonstration as a newcomer runs it: it ends by itself, and shows what became of the day."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner

from examples.command import app as generator
from examples.offers import OFFERS, SEMINAR
from services.cli import demo
from services.cli.demo import DemoError, Handover, _hand_out, _somebody
from services.cli.system import System
from tests.cli.conftest import Steward
from tests.cli.tables import in_words, numbers, rows

REGISTRATIONS = 120
"""Of the smallest day that ends: what follows a registration comes while it is still that day."""

HAVE_IT = (
    "Hotel Example",
    "Example Coaches Ltd",
    "Example Catering Ltd",
    "The other participants of the event",
)
"""Who gets the data of the one whom the demonstration asks about: all recipients of the seminar."""


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """Yesterday, so that no event has ended; beside it what is to become of it."""
    file = tmp_path / "day.jsonl"
    on = datetime.now(UTC).date() - timedelta(days=1)
    arguments = ["--registrations", str(REGISTRATIONS), "--on", on.isoformat()]
    files = ["--output", str(file), "--expected", str(tmp_path / "expected.json")]
    assert CliRunner().invoke(generator, [*arguments, *files]).exit_code == 0
    return file


@pytest.mark.system
@pytest.mark.timeout(300)
def test_it_ends_by_itself_and_shows_what_was_to_become_of_the_day(
    steward: Steward, day: Path
) -> None:
    expected = orjson.loads(day.with_name("expected.json").read_bytes())
    done = steward("demo", "--day", str(day), within_s=280)
    assert done.returncode == 0, done.stdout + done.stderr
    became, _, rest = done.stdout.partition("What the audit log says about one person")
    history, _, advice = rest.partition("What to try next")
    shown = rows(became)
    of_the_day = Counter(received=expected["messages"], sum=expected["messages"])
    for topic in expected["topics"].values():
        of_the_day.update(topic["outcomes"])
    assert numbers(shown, 3) == in_words(of_the_day)
    assert numbers(shown, 2) == in_words({**expected["refused"], **expected["dead_letters"]})
    handed = [row for row in shown if len(row) == 6]
    assert sorted(row[0] for row in handed) == sorted(
        recipient for offer in OFFERS for recipient in offer.data.get("recipients", ())
    )
    assert all(people == entries for _, _, people, entries, _, _ in handed)
    assert [people for recipient, _, people, *_ in handed if recipient == "hotel"] == [
        str(expected["events"][SEMINAR.number]["registered"])
    ]
    assert f"$ echo {expected['person']} | steward audit about -" in history
    assert [name for name in HAVE_IT if name not in history] == []
    assert "steward up --detach" in advice


def list_people(file: str, number: int) -> None:
    Path(file).write_text("name\n" + "Aino\n" * number, "utf-8")


@pytest.mark.parametrize(("listed", "fails"), [(1, True), (2, False), (3, False), (4, True)])
async def test_a_list_of_other_people_than_were_released_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: int, fails: bool
) -> None:
    """Released for two purposes: two people for the one, one for the other, maybe of the two."""

    async def answer(_: System, *arguments: str, **__: Any) -> bytes:  # noqa: ANN401 - of no concern
        if "events" in arguments:
            return orjson.dumps({"number": "E-1", "recipients": ["caterer"]})
        list_people(arguments[arguments.index("--output") + 1], listed)
        made = [{"disclosure": "d-1", "people": 2}, {"disclosure": "d-2", "people": 1}]
        return orjson.dumps({"disclosures": made})

    monkeypatch.setattr(demo, "_steward", answer)
    handing = _hand_out(Console(quiet=True), cast("System", SimpleNamespace()), tmp_path / "lists")
    if fails:
        with pytest.raises(DemoError, match=rf"has {listed} people; \[2, 1\] were released"):
            await handing
    else:
        assert await handing == [
            Handover("E-1", "caterer", "d-1", 2),
            Handover("E-1", "caterer", "d-2", 1),
        ]


def test_a_day_that_names_nobody_needs_somebody_named(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="--about"):
        _somebody(tmp_path / "day.jsonl")
