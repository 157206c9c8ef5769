"""What `steward keys destroy` and `steward subjects link` do where others change something while
they wait for an answer, or for a lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import asyncpg
import orjson
import pytest
import typer

from services.cli import keys, subjects
from services.cli.keys import destroying
from services.cli.subjects import people
from shared.contract.types import EventId, SubjectId
from shared.privacy.privacy import Privacy
from shared.privacy.subjects import Alias
from shared.privacy.values import ToOpen, ToSeal
from shared.runtime.clock import utc_now
from shared.runtime.settings import ServiceSettings
from tests.conftest import SettingsFactory
from tests.privacy.conftest import Connect
from tests.support.applied import apply
from tests.support.commands import command
from tests.support.plans import TEXT, changed
from tests.support.waiting import until_somebody_waits
from tests.support.work import NO_KAFKA

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Change = Callable[[], Coroutine[object, object, object]]
WhileAsked = Callable[[Change, str], None]
PutInForce = Callable[[str], Coroutine[object, object, object]]

EVENT = EventId(UUID("6f1c9c1e-4a43-4a55-9f5c-0a3f4d1f2b11"))
OLD, NEW = (f"canary-{name}@example.org" for name in ("old", "new"))
ALIVE = "select category from keyring.data_key where wrapped is not null order by category"
BOTH_WAIT = (
    "select count(*) = 2 from pg_stat_activity"
    " where datname = current_database() and wait_event_type = 'Lock'"
)
_PERIOD = 'anchor = "event_end"\nperiod = "P6M"\n'
CONTACT_BY_LAW = changed((_PERIOD, f'{_PERIOD}law = "Archives Act"\n'))


@pytest.fixture
def settings(service_settings: SettingsFactory) -> ServiceSettings:
    return service_settings("retention", kafka_bootstrap_servers=NO_KAFKA)


@pytest.fixture
def while_asked(monkeypatch: pytest.MonkeyPatch) -> WhileAsked:
    """`while_asked(change, "2")`: that happens while the question stands, and 2 is typed then."""

    def arrange(change: Change, typed: str) -> None:
        loop = asyncio.get_running_loop()

        def answer(*_: object, **__: object) -> str:
            asyncio.run_coroutine_threadsafe(change(), loop).result()
            return typed

        monkeypatch.setattr(destroying, "see_that_somebody_is_asked", lambda **_: None)
        monkeypatch.setattr(typer, "prompt", answer)

    return arrange


@pytest.fixture
async def put_in_force(database: str, tmp_path: Path) -> AsyncIterator[PutInForce]:
    """A plan with this text, until the test ends."""
    yield partial(apply, database, tmp_path)
    await apply(database, tmp_path, TEXT)


async def subject(privacy: Privacy, intake: Connection, address: str) -> SubjectId:
    (found,) = await privacy.people.identify(intake, [[Alias("email", address)]])
    return found


def contact(who: SubjectId) -> ToSeal:
    return ToSeal(who, "contact", f"event:{EVENT}", {})


@dataclass(frozen=True)
class Books:
    """The finance service, which seals what a law has kept."""

    privacy: Privacy
    connection: Connection

    async def name(self, buyer: SubjectId) -> None:
        """In an invoice."""
        item = ToSeal(buyer, "accounting", "financial_year:2026", {})
        assert await self.privacy.seal(self.connection, [item], at=utc_now()) != [None]


@pytest.fixture
async def books(privacy_of: Callable[[str], Privacy], connect: Connect) -> Books:
    return Books(privacy_of("finance"), await connect("finance"))


async def alive(administrator: Connection) -> list[str]:
    """Of which categories keys are."""
    return [row["category"] for row in await administrator.fetch(ALIVE)]


async def test_what_a_law_has_kept_since_the_question_is_not_destroyed_unasked(
    privacy: Privacy,
    intake: Connection,
    books: Books,
    administrator: Connection,
    settings: ServiceSettings,
    while_asked: WhileAsked,
) -> None:
    who = await subject(privacy, intake, OLD)
    await privacy.seal(intake, [contact(who)], at=utc_now())
    while_asked(lambda: books.name(who), "1")
    done = await command(keys.app, settings, "destroy", "--email", OLD)
    assert (done.code, done.err) == (1, f"{destroying.CHANGED}\n")
    assert await alive(administrator) == ["accounting", "contact"]
    # It was not announced either: what was said before that still makes keys.
    earlier = ToSeal(who, "diet", f"event:{EVENT}", {}, at=utc_now() - timedelta(minutes=1))
    assert await privacy.seal(intake, [earlier], at=utc_now()) != [None]
    again = await command(keys.app, settings, "destroy", "--email", OLD)
    assert (again.code, destroying.BY_LAW in again.err) == (2, True)


async def test_what_a_law_has_kept_is_seen_also_where_it_is_on_its_way(
    privacy: Privacy,
    intake: Connection,
    books: Books,
    administrator: Connection,
    settings: ServiceSettings,
) -> None:
    who = await subject(privacy, intake, OLD)
    async with books.connection.transaction():
        await books.name(who)
        destroy = command(keys.app, settings, "destroy", "--email", OLD, "--yes")
        destroying_it = asyncio.create_task(destroy)
        await until_somebody_waits(administrator.fetchval)
    done = await destroying_it
    assert (done.code, done.err) == (1, f"{destroying.CHANGED}\n")
    assert await alive(administrator) == ["accounting"]


async def test_what_a_plan_that_came_since_the_question_has_kept_by_law_is_kept(
    privacy: Privacy,
    intake: Connection,
    administrator: Connection,
    settings: ServiceSettings,
    while_asked: WhileAsked,
    put_in_force: PutInForce,
) -> None:
    who = await subject(privacy, intake, OLD)
    await privacy.seal(intake, [contact(who)], at=utc_now())
    while_asked(lambda: put_in_force(CONTACT_BY_LAW), "1")
    destroy = ("destroy", "--email", OLD, "--kept-by-law", "keep")
    done = await command(keys.app, settings, *destroy)
    assert (done.code, done.err) == (1, f"{destroying.CHANGED}\n")
    assert await alive(administrator) == ["contact"]
    again = await command(keys.app, settings, *destroy, "--yes", "--json")
    assert orjson.loads(again.out)["destroyed"] == {}


@pytest.mark.parametrize("options", [(), ("--kept-by-law", "keep")])
async def test_what_a_plan_has_kept_by_law_that_comes_before_the_keys_go_is_kept(
    privacy: Privacy,
    intake: Connection,
    administrator: Connection,
    settings: ServiceSettings,
    put_in_force: PutInForce,
    options: tuple[str, ...],
) -> None:
    who = await subject(privacy, intake, OLD)
    await privacy.seal(intake, [contact(who)], at=utc_now())
    destroy = ("destroy", "--email", OLD, *options, "--yes")
    async with intake.transaction():
        diet = ToSeal(who, "diet", f"event:{EVENT}", {})
        assert await privacy.seal(intake, [diet], at=utc_now()) != [None]
        announces = asyncio.create_task(command(keys.app, settings, *destroy))
        await until_somebody_waits(administrator.fetchval)
        applies = asyncio.create_task(put_in_force(CONTACT_BY_LAW))

        async def both_wait(_: str) -> bool:
            return bool(await administrator.fetchval(BOTH_WAIT))

        await until_somebody_waits(both_wait)
    await applies
    done = await announces
    assert (done.code, done.err) == (1, f"{destroying.ANOTHER_PLAN}\n")
    assert await alive(administrator) == ["contact", "diet"]
    late = ToSeal(who, "stay", f"event:{EVENT}", {}, at=utc_now() - timedelta(minutes=1))
    assert await privacy.seal(intake, [late], at=utc_now()) == [None], "as it says"
    again = await command(keys.app, settings, *destroy)
    assert again.code == (0 if options else 2)


@pytest.mark.parametrize("options", [(), ("--kept-by-law", "keep")])
async def test_who_became_the_same_person_since_the_question_is_not_left_behind(
    privacy: Privacy,
    intake: Connection,
    administrator: Connection,
    settings: ServiceSettings,
    while_asked: WhileAsked,
    options: tuple[str, ...],
) -> None:
    both = [await subject(privacy, intake, address) for address in (OLD, NEW)]
    await privacy.seal(intake, [contact(one) for one in both], at=utc_now())

    async def link() -> None:
        linked = ("link", NEW, "--to", OLD, "--reason", "same-person", "--yes")
        assert (await command(subjects.app, settings, *linked)).code == 0

    while_asked(link, "1")
    destroy = ("destroy", "--email", OLD, *options)
    done = await command(keys.app, settings, *destroy)
    assert (done.code, done.err) == (1, f"{destroying.CHANGED}\n")
    assert await alive(administrator) == ["contact", "contact"]
    assert (await command(keys.app, settings, *destroy, "--yes")).code == 0
    assert await alive(administrator) == []


@pytest.mark.parametrize("options", [(), ("--kept-by-law", "keep")])
async def test_who_becomes_the_same_person_while_a_key_is_waited_for_is_not_left_behind(
    privacy: Privacy,
    intake: Connection,
    administrator: Connection,
    settings: ServiceSettings,
    options: tuple[str, ...],
) -> None:
    both = [await subject(privacy, intake, address) for address in (OLD, NEW)]
    sealed, _ = await privacy.seal(intake, [contact(one) for one in both], at=utc_now())
    assert sealed is not None
    destroy = ("destroy", "--email", OLD, *options, "--yes")
    async with intake.transaction():
        item = ToOpen(both[0], "contact", sealed)
        assert await privacy.use(intake, "event-arrangement", [item]) != [None]
        waits = asyncio.create_task(command(keys.app, settings, *destroy))
        await until_somebody_waits(administrator.fetchval)
        linked = ("link", NEW, "--to", OLD, "--reason", "same-person", "--yes")
        assert (await command(subjects.app, settings, *linked)).code == 0
    done = await waits
    assert (done.code, done.err) == (1, f"{destroying.ANNOUNCED}\n")
    assert await alive(administrator) == ["contact", "contact"]
    late = ToSeal(both[0], "diet", f"event:{EVENT}", {}, at=utc_now() - timedelta(minutes=1))
    assert await privacy.seal(intake, [late], at=utc_now()) == [None], "as it says"
    assert (await command(keys.app, settings, *destroy)).code == 0
    assert await alive(administrator) == []


@pytest.mark.parametrize(
    ("options", "left"),
    [((), {"contact": 1}), (("--kept-by-law", "keep"), {"accounting": 1, "contact": 1})],
)
async def test_who_came_back_meanwhile_is_told_not_to_be_erased(
    privacy: Privacy,
    intake: Connection,
    books: Books,
    settings: ServiceSettings,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    left: dict[str, int],
) -> None:
    who = await subject(privacy, intake, OLD)
    await privacy.seal(intake, [contact(who)], at=utc_now())
    if "accounting" in left:
        await books.name(who)
    cut_off = utc_now()
    monkeypatch.setattr(destroying, "utc_now", lambda: cut_off)
    destroy = ("destroy", "--email", OLD, *options, "--yes")
    await command(keys.app, settings, *destroy)
    assert await privacy.seal(intake, [contact(who)], at=utc_now()) != [None]
    # Once more up to the same moment: what was said after it stays.
    done = await command(keys.app, settings, *destroy)
    assert (done.code, done.out) == (
        0,
        f"0 keys are destroyed, and that is recorded\n{destroying.CAME_BACK}\n",
    )
    document = orjson.loads((await command(keys.app, settings, *destroy, "--json")).out)
    assert (document["kept"], document["came_back"]) == (left, True)


async def test_who_comes_with_an_address_while_it_is_linked_becomes_nobody_else_unasked(
    privacy: Privacy,
    intake: Connection,
    administrator: Connection,
    settings: ServiceSettings,
) -> None:
    who = await subject(privacy, intake, OLD)
    async with intake.transaction():
        comes = await subject(privacy, intake, NEW)
        link = ("link", NEW, "--to", OLD, "--reason", "same-person", "--yes")
        linking = asyncio.create_task(command(subjects.app, settings, *link))
        await until_somebody_waits(administrator.fetchval)
    done = await linking
    code, told = people.LINKED["changed"]
    assert (done.code, done.err) == (code, f"{told}\n")
    assert await privacy.people.same_people(intake, who) == (who,)
    assert await subject(privacy, intake, NEW) == comes
