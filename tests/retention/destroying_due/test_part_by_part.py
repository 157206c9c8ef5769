"""`steward keys destroy-due`: what changes, or fails, while it is at a part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from services.cli import keys
from services.cli.keys import destroying_due
from services.cli.office import Office
from services.retention.handlers import Handlers
from shared.contract.registration import EventChanged
from shared.messaging.unit_of_work import Transaction
from shared.runtime.settings import ServiceSettings
from tests.retention.conftest import follow
from tests.retention.destroying_due.conftest import (
    LONG_AGO,
    Hearing,
    alive,
    at_an_event,
    destroy,
    entries,
    listed,
    moved,
    using_keys,
    with_a_diet,
)
from tests.support.commands import Answered, command
from tests.support.facts import Facts, event_state
from tests.support.waiting import until_somebody_waits
from tests.support.work import Work


async def test_what_is_due_again_by_the_time_that_keys_are_locked_stays_listed(
    work: Work, handlers: Handlers, intake: Work, settings: ServiceSettings, hearing: Hearing
) -> None:
    await follow(work)
    event = event_state(ends_at=LONG_AGO, version=1)
    who = await with_a_diet(work, handlers, intake, event)
    other, _ = await at_an_event(work, handlers, intake, LONG_AGO)
    again = event.model_copy(update={"version": 3})

    async with AsyncExitStack() as using:

        async def move_it_and_use_the_keys_of_the_other() -> None:
            later = Facts().message(EventChanged(event=moved(event)))
            await work.do(handlers.learn_events, [later])
            await using.enter_async_context(using_keys(settings, other))

        hearing.in_part.append(move_it_and_use_the_keys_of_the_other)
        destroying_it = asyncio.create_task(destroy(settings))
        await until_somebody_waits(work.parts.pool.fetchval)
        await work.do(handlers.learn_events, [Facts().message(EventChanged(event=again))])
    assert (await destroying_it).code == 0
    assert (len(await alive(settings, who)), await alive(settings, other)) == (1, set())
    assert await listed(settings) == ["diet"]
    assert (await destroy(settings)).code == 0
    assert await alive(settings, who) == set()
    assert await listed(settings) == []


async def test_where_a_connection_is_lost_nobody_is_told_that_nothing_was_due(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    hearing: Hearing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server had committed, and died before it could say so."""
    await follow(work)
    who, _ = await at_an_event(work, handlers, intake, LONG_AGO)
    begin, transactions = Office.work, iter(range(9))

    @asynccontextmanager
    async def lost(office: Office) -> AsyncIterator[Transaction]:
        number = next(transactions)
        async with begin(office) as tx:
            yield tx
        if number == 2:  # one has asked whether the schedule follows the plan, one closed the keys
            raise asyncpg.ConnectionDoesNotExistError

    monkeypatch.setattr(Office, "work", lost)
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await destroy(settings)
    assert await alive(settings, who) == set()
    assert len(await entries(work)) == 2, "by class"


async def test_who_has_nothing_to_destroy_is_not_asked(
    work: Work,
    handlers: Handlers,
    intake: Work,
    settings: ServiceSettings,
    hearing: Hearing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destroying_due, "see_that_somebody_is_asked", lambda **_: None)
    await follow(work)
    nothing = Answered(0, "nothing that has keys is due by 2026-11-29\n", "")
    asked = ("destroy-due", "--on", "2026-11-29")
    assert await command(keys.app, settings, *asked, given="") == nothing
    who, _ = await at_an_event(work, handlers, intake, LONG_AGO)
    by_person = ("destroy", "--subject", str(who), "--yes")
    assert (await command(keys.app, settings, *by_person)).code == 0
    assert await listed(settings) == ["diet", "event-data"]
    assert await command(keys.app, settings, *asked, given="") == nothing
    assert await listed(settings) == []
