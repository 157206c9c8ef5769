"""For how long something is due that nobody destroys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from prometheus_client import REGISTRY

from services.cli.keys import destroying_due
from services.retention import store
from services.retention.handlers import Handlers
from services.retention.handlers.periodic import Periodic
from shared.contract.types import Sealed, SubjectId
from shared.privacy.office import PrivacyOffice
from shared.runtime.settings import ServiceSettings
from tests.retention.conftest import follow
from tests.retention.destroying_due.conftest import Hearing, destroy
from tests.support.applied import apply
from tests.support.facts import event_state, registered
from tests.support.plans import WITHOUT_DIETS
from tests.support.work import Work

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
A_DAY = timedelta(days=1)


async def told(work: Work, now: datetime = NOON) -> timedelta:
    """What the figure says then."""
    periodic = Periodic(PrivacyOffice(work.parts.privacy, "service:retention"))
    async with work.parts.work(now=now) as tx:
        assert await periodic.tell_due(tx) == 0
    seconds = REGISTRY.get_sample_value("steward_due_oldest_seconds")
    assert seconds is not None
    return timedelta(seconds=seconds)


async def ended(work: Work, handlers: Handlers, *, days_ago: int) -> None:
    """Of somebody's diet, which is kept for 14 days, it is the first day on which it may not be."""
    event = event_state(ends_at=NOON - timedelta(days=days_ago + 15))
    message = registered(event, personal={"diet": Sealed(b"sealed")})
    await work.do(handlers.schedule_registrations, [message])


async def test_what_is_due_the_longest_and_was_not_gone_over_is_told(
    work: Work, handlers: Handlers, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    await ended(work, handlers, days_ago=-1)
    assert await told(work) == timedelta(), "it is due tomorrow"
    for days in (3, 1, 7):
        await ended(work, handlers, days_ago=days)
    since_midnight = timedelta(hours=12)
    assert await told(work) == 7 * A_DAY + since_midnight
    assert (await destroy(settings, "--class", "diet", on="2026-11-28")).code == 0
    assert await told(work) == 1 * A_DAY + since_midnight, "these are gone"
    assert (await destroy(settings)).code == 0
    assert await told(work) == timedelta()
    assert await told(work, NOON + A_DAY) == since_midnight


async def test_what_a_run_has_left_counts_no_longer_and_what_none_has_gone_over_does(
    work: Work, handlers: Handlers, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    await ended(work, handlers, days_ago=7)
    async with work.parts.pool.acquire() as changing, changing.transaction():
        await changing.execute("select from schedule_item for update")
        assert (await destroy(settings, "--class", "diet")).code == 0
        assert await told(work) > 7 * A_DAY, "of one class only"
        hearing.behind_at = hearing.looks + 1
        assert (await destroy(settings)).code == 1
        assert await told(work) > 7 * A_DAY, "it was refused"
        hearing.behind_at = None
        assert (await destroy(settings)).code == 0
    assert await told(work) == timedelta()
    assert (await destroy(settings, on="2026-11-01")).code == 0
    assert await told(work) == timedelta(), "an earlier day takes nothing back"


async def gone_over(work: Work) -> object:
    return await work.value("select max(through) from gone_over")


@pytest.mark.parametrize("narrowed", [(), ("--class", "diet")])
async def test_where_nothing_is_listed_a_schedule_of_an_earlier_plan_is_not_gone_over_either(
    work: Work, settings: ServiceSettings, narrowed: tuple[str, ...]
) -> None:
    refused = await destroy(settings, *narrowed)
    assert (refused.code, refused.out) == (1, "")
    assert destroying_due.NOT_FOLLOWED in refused.err
    await follow(work)
    assert (await destroy(settings, *narrowed)).code == 0
    assert (await gone_over(work) is None) == bool(narrowed)


@pytest.mark.parametrize("narrowed", [(), ("--class", "diet")])
async def test_nor_is_it_where_another_plan_came_into_force_meanwhile(
    work: Work,
    settings: ServiceSettings,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    narrowed: tuple[str, ...],
) -> None:
    await follow(work)

    async def found_nobody(*_: object) -> list[SubjectId]:
        await apply(database, tmp_path, WITHOUT_DIETS)
        return []

    monkeypatch.setattr(store, "people_of_due", found_nobody)
    refused = await destroy(settings, *narrowed)
    assert (refused.code, refused.out) == (1, "")
    assert destroying_due.NOT_FOLLOWED in refused.err
    assert await gone_over(work) is None


async def test_it_is_found_by_an_index_however_much_is_listed(work: Work, database: str) -> None:
    administrator = await asyncpg.connect(database)
    try:
        await administrator.execute(
            "insert into retention.schedule_item select 'invoice', gen_random_uuid(), 'ledger',"
            " gen_random_uuid(), null, 'ledger', 'financial_year_end', day, day, now()"
            " from generate_series(1, 20000) n, lateral (select date '2026-01-01' + n % 300) d(day)"
        )
        await administrator.execute("analyze retention.schedule_item")
        await administrator.execute("set search_path = retention")
        rows = await administrator.fetch(f"explain {store._sql.due_since.sql}", NOON.date())
    finally:
        await administrator.close()
    plan = "\n".join(row[0] for row in rows)
    assert "schedule_item_by_due" in plan
    assert "Seq Scan on schedule_item" not in plan
