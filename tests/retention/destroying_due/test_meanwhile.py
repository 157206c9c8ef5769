"""`steward keys destroy-due` while services work, are behind, or fail."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import asyncpg
import pytest

from services.cli.keys import destroying, destroying_due
from services.retention.handlers import Handlers
from shared.contract.registration import EventChanged
from shared.privacy.office import PrivacyOffice
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.retention.conftest import follow
from tests.retention.destroying_due.conftest import (
    LONG_AGO,
    Hearing,
    alive,
    at_an_event,
    consents,
    destroy,
    entries,
    generations,
    listed,
    moved,
    seal,
    somebody,
    using_keys,
    with_a_diet,
)
from tests.support.facts import Facts, event_state
from tests.support.waiting import until_somebody_waits
from tests.support.work import Work


async def test_a_key_that_sealed_a_yes_which_is_heard_in_time_stays(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    who = await somebody(intake, ("marketing", ""))
    await work.do(handlers.schedule_consents, [consents(who, given=False, at=LONG_AGO)])
    await seal(intake, who, ("marketing", ""))
    yes = consents(who, given=True, at=utc_now())
    hearing.in_part.append(lambda: work.do(handlers.schedule_consents, [yes]))
    assert (await destroy(settings)).code == 0
    assert await generations(settings, who) == [(1, True)]
    assert await entries(work) == []


async def test_a_yes_on_its_way_meanwhile_has_a_key_of_its_own_and_its_row_stays_listed(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    who = await somebody(intake, ("marketing", ""))
    await work.do(handlers.schedule_consents, [consents(who, given=False, at=LONG_AGO)])
    hearing.in_part.append(lambda: seal(intake, who, ("marketing", "")))
    assert (await destroy(settings)).code == 0
    assert await generations(settings, who) == [(1, False), (2, True)]
    assert await listed(settings) == ["marketing"], "it can be read: there is a living key"
    await work.do(handlers.schedule_consents, [consents(who, given=True, at=utc_now())])
    assert await listed(settings) == []


async def test_what_is_corrected_after_its_day_is_listed_until_that_key_goes_too(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    who, over = await at_an_event(work, handlers, intake, LONG_AGO)
    hearing.in_part.append(lambda: seal(intake, who, ("diet", over)))
    assert (await destroy(settings, on="2026-11-28")).code == 0
    assert await alive(settings, who) == {("diet", over)}
    assert await listed(settings) == ["diet", "event-data"]
    assert (await destroy(settings, on="2026-11-29")).code == 0
    assert await alive(settings, who) == set()
    assert await listed(settings) == []


async def test_who_changes_the_schedule_holds_nobody_up_and_keeps_it_listed(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings
) -> None:
    await follow(work)
    who, _ = await at_an_event(work, handlers, intake, LONG_AGO)
    async with work.parts.pool.acquire() as changing, changing.transaction():
        await changing.execute("select from schedule_item where part = 'diet' for update")
        assert (await destroy(settings)).code == 0
    assert await alive(settings, who) == set()
    assert await listed(settings) == ["diet"]
    assert (await destroy(settings)).code == 0
    assert await listed(settings) == []


async def test_what_is_moved_while_the_command_runs_is_not_due_any_more(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    event = event_state(ends_at=LONG_AGO, version=1)
    who = await with_a_diet(work, handlers, intake, event)
    later = Facts().message(EventChanged(event=moved(event)))
    hearing.in_part.append(lambda: work.do(handlers.learn_events, [later]))
    assert (await destroy(settings)).code == 0
    assert len(await alive(settings, who)) == 1


async def test_what_is_moved_while_the_command_waits_for_its_keys_is_not_due_any_more(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    hearing: Hearing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "PAUSES_S", (0.0,) * 3)
    await follow(work)
    event = event_state(ends_at=LONG_AGO, version=1)
    who = await with_a_diet(work, handlers, intake, event)
    async with AsyncExitStack() as using:
        hearing.in_part.append(lambda: using.enter_async_context(using_keys(settings)))
        destroying_it = asyncio.create_task(destroy(settings))
        await until_somebody_waits(work.parts.pool.fetchval)
        later = Facts().message(EventChanged(event=moved(event)))
        await work.do(handlers.learn_events, [later])
    assert (await destroying_it).code == 0
    assert len(await alive(settings, who)) == 1
    assert await entries(work) == []


async def test_a_key_in_use_is_waited_for_a_moment_and_tried_again(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "LONGEST_WAIT_S", 0.05)
    monkeypatch.setattr(destroying_due, "PAUSES_S", (0.0,) * 3)
    await follow(work)
    who, _ = await at_an_event(work, handlers, intake, LONG_AGO)
    async with using_keys(settings):
        refused = await destroy(settings)
    in_use = f"{destroying_due.IN_USE}; {destroying.KEPT}\n"
    assert (refused.code, refused.err) == (1, in_use)
    assert len(await alive(settings, who)) == 2
    monkeypatch.setattr(destroying_due, "PAUSES_S", (0.05,) * 200)
    async with using_keys(settings):
        destroying_it = asyncio.create_task(destroy(settings))
        await until_somebody_waits(work.parts.pool.fetchval)
    assert (await destroying_it).code == 0
    assert await alive(settings, who) == set()


async def test_only_who_gave_way_to_the_last_is_told_that_keys_are_in_use(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "PAUSES_S", (0.0,) * 3)
    await follow(work)
    await at_an_event(work, handlers, intake, LONG_AGO)
    tries = []

    async def fails_with(error: Exception, *_: object) -> None:
        tries.append(error)
        raise error

    deadlock = partial(fails_with, asyncpg.DeadlockDetectedError())
    monkeypatch.setattr(PrivacyOffice, "close_due", deadlock)
    refused = await destroy(settings)
    assert (refused.code, len(tries)) == (1, 4)
    assert destroying_due.IN_USE in refused.err
    lost = partial(fails_with, asyncpg.ConnectionDoesNotExistError())
    monkeypatch.setattr(PrivacyOffice, "close_due", lost)
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await destroy(settings)


async def test_who_is_refused_between_two_parts_is_told_what_went_before(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    hearing: Hearing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "PEOPLE_AT_ONCE", 1)
    await follow(work)
    people = [(await at_an_event(work, handlers, intake, LONG_AGO))[0] for _ in range(2)]
    hearing.behind_at = 3
    refused = await destroy(settings)
    assert refused.code == 1
    assert "2 keys were destroyed before, and that is recorded: run this again" in refused.err
    assert destroying.KEPT not in refused.err
    assert sorted([len(await alive(settings, who)) for who in people]) == [0, 2]
    hearing.behind_at = None
    assert (await destroy(settings)).code == 0
    assert await listed(settings) == []


def test_whom_a_fault_stops_is_told_what_went_before(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConnectionError), destroying_due.telling_how_far({"diet": 7}):
        raise ConnectionError
    # A connection that is lost may have taken more with it.
    assert capsys.readouterr().err.startswith("at least 7 keys were destroyed before")
    with pytest.raises(ConnectionError), destroying_due.telling_how_far({}):
        raise ConnectionError
    assert capsys.readouterr().err == ""


async def test_nothing_goes_before_the_schedule_follows_the_plan_and_all_is_heard(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    hearing: Hearing,
) -> None:
    who, _ = await at_an_event(work, handlers, intake, LONG_AGO)
    refused = await destroy(settings)
    kept = f"{destroying_due.NOT_FOLLOWED}; {destroying.KEPT}\n"
    assert (refused.code, refused.err) == (1, kept)
    await follow(work)
    for looks in (1, 2):
        hearing.looks, hearing.behind_at = 0, looks
        refused = await destroy(settings)
        assert refused.code == 1
        assert "the consent service has not read" in refused.err
        assert destroying.KEPT in refused.err
    assert len(await alive(settings, who)) == 2
    assert await entries(work) == []
