"""`steward keys destroy-due`: what `steward retention due` lists goes, and only that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from services.cli import keys
from services.cli.keys import destroying, destroying_due
from services.retention.handlers import Handlers
from shared.privacy.values import ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.retention.conftest import follow
from tests.retention.destroying_due.conftest import (
    LONG_AGO,
    a_buyer,
    alive,
    at_an_event,
    consents,
    destroy,
    entries,
    listed,
    seal,
    somebody,
)
from tests.support.applied import apply
from tests.support.commands import NOWHERE, command
from tests.support.plans import BUYERS_APART, changed
from tests.support.work import Work


async def test_what_is_due_goes_what_is_not_stays_and_it_is_listed_no_more(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who, over = await at_an_event(work, handlers, intake, LONG_AGO)
    other, to_come = await at_an_event(work, handlers, intake, utc_now() + timedelta(days=9))
    assert await listed(settings) == ["diet", "event-data"]
    done = await destroy(settings, "--class", "diet")
    assert (done.code, done.out.splitlines()[-1]) == (
        0,
        "1 keys are destroyed, and that is recorded",
    )
    assert await alive(settings, who) == {("contact", over)}
    assert await listed(settings) == ["event-data"]
    assert (await destroy(settings)).code == 0
    assert await alive(settings, who) == set()
    assert await alive(settings, other) == {("contact", to_come), ("diet", to_come)}
    assert await listed(settings) == []
    diet, contact = await entries(work)
    assert (diet["retention_class"], diet["due_on"], diet["keys"]) == ("diet", "2026-11-29", 1)
    assert (diet["subject_id"], diet["cut_off"]) == (None, "2026-11-28T22:00:00Z")
    assert (contact["retention_class"], contact["categories"]) == ("event-data", ["contact"])
    done = await destroy(settings)
    assert done.out == "nothing that has keys is due by 2026-11-29\n"
    assert len(await entries(work)) == 2, "nothing was left to do"


async def test_of_marketing_those_go_who_withdrew(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    gone, stays, back = [await somebody(intake, ("marketing", "")) for _ in range(3)]
    given = [consents(who, given=True, at=LONG_AGO) for who in (gone, stays, back)]
    later = LONG_AGO + timedelta(days=1)
    await work.do(handlers.schedule_consents, given)
    await work.do(
        handlers.schedule_consents, [consents(who, given=False, at=later) for who in (gone, back)]
    )
    await work.do(
        handlers.schedule_consents, [consents(back, given=True, at=later + timedelta(days=1))]
    )
    assert (await destroy(settings, "--class", "marketing")).code == 0
    assert await alive(settings, gone) == set()
    assert await alive(settings, stays) == await alive(settings, back) == {("marketing", "")}
    again = consents(gone, given=False, at=later)
    await work.do(handlers.schedule_consents, [again])
    assert await listed(settings) == [], "it was said before"
    await seal(intake, gone, ("marketing", ""))
    await work.do(handlers.schedule_consents, [consents(gone, given=True, at=utc_now())])
    await destroy(settings)
    assert await alive(settings, gone) == {("marketing", "")}, "they consented again"


async def test_a_yes_after_the_no_that_comes_late_is_kept(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who = await somebody(intake, ("marketing", ""))
    await work.do(handlers.schedule_consents, [consents(who, given=False, at=LONG_AGO)])
    assert (await destroy(settings)).code == 0
    for late, sealed in ((timedelta(), False), (timedelta(seconds=1), True)):
        item = ToSeal(who, "marketing", "", {"text": "x"}, at=LONG_AGO + late)
        async with intake.parts.pool.acquire() as connection:
            (value,) = await intake.parts.privacy.seal(connection, [item], at=utc_now())
        assert (value is not None) is sealed


async def test_of_vouchers_those_of_the_year_go_and_what_a_law_still_has_kept_stays(
    work: Work, handlers: Handlers, intake: Work, books: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who = await a_buyer(work, handlers, intake, books)
    assert (await destroy(settings)).code == 0
    assert await alive(settings, who) == {("accounting", "year:2026")}
    assert await listed(settings) == []


@pytest.mark.parametrize(
    ("plan", "narrowed"),
    [
        pytest.param(
            changed(("[retention.voucher]", "[retention.vouchers]")),
            ("--class", "voucher"),
            id="with another name",
        ),
        pytest.param(BUYERS_APART, (), id="that kept its name and not its category"),
    ],
)
async def test_a_class_that_is_another_leaves_no_voucher_behind(
    work: Work,
    handlers: Handlers,
    intake: Work,
    books: Work,
    settings: ServiceSettings,
    database: str,
    tmp_path: Path,
    *,
    plan: str,
    narrowed: tuple[str, ...],
) -> None:
    who = await a_buyer(work, handlers, intake, books)
    await apply(database, tmp_path, plan)
    await follow(work)
    assert await listed(settings) == ["voucher"]
    assert (await destroy(settings, *narrowed)).code == 0
    assert await alive(settings, who) == {("accounting", "year:2026")}
    assert await listed(settings) == []


async def test_many_people_are_served_part_by_part(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "PEOPLE_AT_ONCE", 2)
    monkeypatch.setattr(destroying_due, "see_that_somebody_is_asked", lambda **_: None)
    await follow(work)
    people = [(await at_an_event(work, handlers, intake, LONG_AGO))[0] for _ in range(5)]
    asked = ("destroy-due", "--on", "2026-11-29")
    refused = await command(keys.app, settings, *asked, given="9\n")
    assert (refused.code, refused.err) == (1, f"{destroying.KEPT}\n")
    assert len(await alive(settings, people[4])) == 2
    done = await command(keys.app, settings, *asked, given="10\n")
    assert done.code == 0, done.err
    assert [await alive(settings, who) for who in people] == [set()] * 5
    assert await listed(settings) == []


async def test_keys_that_were_destroyed_before_are_told_as_no_destruction(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who, over = await at_an_event(work, handlers, intake, LONG_AGO)
    by_person = ("destroy", "--subject", str(who), "--class", "diet", "--yes")
    assert (await command(keys.app, settings, *by_person)).code == 0
    assert await alive(settings, who) == {("contact", over)}
    before = await entries(work)
    done = await destroy(settings, "--class", "diet")
    assert (done.code, done.out) == (0, "nothing that has keys is due by 2026-11-29\n")
    assert await entries(work) == before
    assert await listed(settings) == ["event-data"]
    await work.parts.pool.execute("update schedule_item set unreadable_since = null")
    done = await destroy(settings, "--json")
    assert orjson.loads(done.out)["destroyed"] == {"contact": 1}
    (entry,) = (await entries(work))[len(before) :]
    assert (entry["retention_class"], entry["keys"]) == ("event-data", 1)


async def test_nothing_is_due_before_its_day_has_begun_everywhere(
    work: Work, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await follow(work)
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    monkeypatch.setattr(destroying_due, "utc_now", lambda: noon - timedelta(seconds=1))
    assert (await destroy(settings, on="2026-11-30")).code == 2
    assert (await destroy(settings, on="2026-11-29")).code == 0
    monkeypatch.setattr(destroying_due, "utc_now", lambda: noon)
    assert (await destroy(settings, on="2026-11-30")).code == 0


async def test_wrong_arguments_exit_with_2(settings: ServiceSettings) -> None:
    for on, told in (("tomorrow", "expected a day"), ("2999-01-01", "not begun everywhere")):
        done = await destroy(settings, on=on)
        assert (done.code, told in done.err) == (2, True)
    done = await destroy(settings, "--class", "canary")
    assert (done.code, "canary" in done.err, "voucher" in done.err) == (2, False, True)
    asked = await command(keys.app, NOWHERE, "destroy-due", "--on", "2026-11-30")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    helped = await command(keys.app, NOWHERE, "destroy-due", "--help")
    assert (helped.code, "Example" in helped.out) == (0, True)
