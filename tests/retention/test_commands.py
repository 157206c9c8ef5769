"""`steward retention due` as people and programs meet it."""

from __future__ import annotations

import asyncio
import sys
from datetime import date
from pathlib import Path
from uuid import uuid4

import asyncpg
import orjson
import pytest

from services.cli.plan import app as plan_app
from services.retention import commands
from services.retention.commands import app
from services.retention.domain import DueGroup
from services.retention.handlers import Handlers
from shared.contract.types import Sealed
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.retention.conftest import follow
from tests.support.applied import apply
from tests.support.commands import NOWHERE, Answered, command
from tests.support.facts import event_state, registered
from tests.support.plans import TEXT, written
from tests.support.waiting import until_somebody_waits
from tests.support.work import NO_KAFKA, Work


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)


async def test_what_is_due_is_shown_by_event_and_class(
    work: Work, handlers: Handlers, settings: ServiceSettings
) -> None:
    await follow(work)
    event = event_state()
    personal = {"contact": Sealed(b"sealed"), "diet": Sealed(b"sealed")}
    message = registered(event, personal=personal)
    await work.do(handlers.schedule_registrations, [message])
    nothing = await command(app, settings, "due", "--on", "2026-10-15")
    assert nothing == Answered(0, "nothing is due by 2026-10-15\n", "")
    diet = await command(app, settings, "due", "--on", "2026-10-16")
    assert str(event.event_id) in diet.out
    assert "diet" in diet.out
    both = await command(app, settings, "due", "--on", "2027-12-31", "--json")
    assert [group["retention_class"] for group in orjson.loads(both.out)["due"]] == [
        "diet",
        "event-data",
    ]


@pytest.mark.parametrize("in_a_terminal", [False, True])
def test_nothing_is_cut_off_where_there_is_little_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, in_a_terminal: bool
) -> None:
    """As in a terminal of 80 columns, and in a pipe or the mail of a timer, which tell none."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: in_a_terminal)
    event, day = uuid4(), date(2026, 10, 16)
    anchor = "financial_year_calendar_end"
    commands._print([DueGroup(event, "continuing-education", "event-data", anchor, 100, 99, day)])
    out = capsys.readouterr().out
    assert f"{day}  {event}" in out
    assert "…" not in out
    assert ("event-data" in out) != in_a_terminal, "there it goes on below"


async def test_who_asks_before_the_schedule_has_followed_the_plan_is_told_so(
    work: Work, settings: ServiceSettings, tmp_path: Path
) -> None:
    async def told() -> bool:
        asked = await command(app, settings, "due", "--on", "2026-10-15")
        as_json = await command(app, settings, "due", "--on", "2026-10-15", "--json")
        assert (asked.code, asked.out) == (0, "nothing is due by 2026-10-15\n")
        assert asked.err == as_json.err
        assert orjson.loads(as_json.out)["follows_plan"] is (not asked.err)
        assert not asked.err or "follow" in asked.err
        return bool(asked.err)

    assert await told(), "nobody has looked through it yet"
    await follow(work)
    assert not await told()
    other = written(tmp_path, f"{TEXT}\n# By another digest.\n", "other.toml")
    applied = await command(plan_app, settings, "apply", str(other), "--yes")
    assert applied.code == 0, applied.err
    assert await told(), "the loop has not looked yet"
    await follow(work)
    assert not await told()


async def test_listing_takes_its_time_and_keeps_no_plan_waiting(
    work: Work,
    settings: ServiceSettings,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where millions of rows are due."""
    monkeypatch.setenv("STEWARD_SESSION_TIMEOUT_MS", "1000")
    await follow(work)
    administrator = await asyncpg.connect(database)
    try:
        async with administrator.transaction():
            await administrator.execute("lock table retention.schedule_item")
            listing = asyncio.create_task(command(app, settings, "due", "--on", "2026-10-15"))
            await until_somebody_waits(work.value)
            await administrator.execute("select pg_sleep(1.2)")
            await apply(database, tmp_path, f"{TEXT}\n# By another digest.\n")
    finally:
        await administrator.close()
    assert (await listing).code == 0
    assert "follow" in (await listing).err, "what it has read may be by the former plan"


@pytest.mark.parametrize(
    "arguments",
    [("--on", "tomorrow"), ("--on", "2026-W48"), ("--on", "20261130"), ("--on", "2026-11"), ()],
)
async def test_wrong_arguments_exit_with_2(arguments: tuple[str, ...]) -> None:
    done = await command(app, NOWHERE, "due", *arguments)
    assert done.code == 2
    assert "--on" in done.err


async def test_help_has_an_example() -> None:
    done = await command(app, NOWHERE, "due", "--help")
    assert (done.code, "Example" in done.out) == (0, True)
