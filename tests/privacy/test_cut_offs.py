"""Destroying the keys of a person, an event or a class: what there is, and what is yet to come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from shared.contract.types import SubjectId
from shared.privacy import keyring
from shared.privacy.keyring import KeyName
from shared.privacy.privacy import Privacy
from shared.privacy.values import ToOpen, ToSeal
from tests.privacy.conftest import NOW, Connect
from tests.support.waiting import until_somebody_waits

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ONE, OTHER = "event:one", "event:other"
LATER = NOW + timedelta(seconds=1)
WHO, SOMEBODY = SubjectId(uuid4()), SubjectId(uuid4())


@pytest.fixture
async def registration(connect: Connect) -> Connection:
    return await connect("registration")


@pytest.fixture
async def retention(connect: Connect) -> Connection:
    return await connect("retention")


def everything() -> list[ToSeal]:
    """Two people at two events, each with two categories."""
    return [
        ToSeal(who, category, event, {"text": "x"})
        for who in (WHO, SOMEBODY)
        for event in (ONE, OTHER)
        for category in ("contact", "diet")
    ]


def names(items: list[ToSeal]) -> set[tuple[SubjectId, str, str]]:
    return {(item.subject_id, item.category, item.context) for item in items}


SCOPES = [
    pytest.param((WHO, None, None), lambda i: i.subject_id == WHO, id="person"),
    pytest.param((None, None, ONE), lambda i: i.context == ONE, id="event"),
    pytest.param((None, "diet", None), lambda i: i.category == "diet", id="category"),
    pytest.param(
        (WHO, None, ONE), lambda i: (i.subject_id, i.context) == (WHO, ONE), id="person-event"
    ),
    pytest.param(
        (None, "diet", ONE), lambda i: (i.category, i.context) == ("diet", ONE), id="event-category"
    ),
    pytest.param(
        (WHO, "diet", None),
        lambda i: (i.subject_id, i.category) == (WHO, "diet"),
        id="person-category",
    ),
]


@pytest.mark.parametrize(("scope", "inside"), SCOPES)
async def test_what_is_named_is_unreadable_and_nothing_else(
    privacy: Privacy,
    registration: Connection,
    retention: Connection,
    administrator: Connection,
    scope: KeyName,
    inside: Callable[[ToSeal], bool],
) -> None:
    items = everything()
    await privacy.seal(registration, items, at=NOW)
    expected = names([item for item in items if inside(item)])
    counted = await keyring.count_keys(retention, [scope])
    destroyed = await keyring.destroy_keys(retention, [scope], cut_off=NOW)
    rows = await administrator.fetch(
        "select subject_id, category, context from keyring.data_key where wrapped is null"
    )
    assert {tuple(row) for row in rows} == expected
    assert destroyed == {scope[0]: counted}
    assert sum(counted.values()) == len(expected)
    assert await keyring.count_keys(retention, [scope]) == {}
    assert await keyring.destroy_keys(retention, [scope], cut_off=NOW) == {}


@pytest.mark.parametrize(("scope", "inside"), SCOPES)
async def test_older_facts_make_no_key_where_there_was_none(
    privacy: Privacy,
    registration: Connection,
    retention: Connection,
    scope: KeyName,
    inside: Callable[[ToSeal], bool],
) -> None:
    items = everything()
    assert await keyring.destroy_keys(retention, [scope], cut_off=NOW) == {}
    sealed = await privacy.seal(registration, items, at=NOW)
    assert [value is None for value in sealed] == [inside(item) for item in items]
    assert None not in await privacy.seal(registration, items, at=LATER)
    again = await privacy.seal(registration, items, at=NOW)
    assert [value is None for value in again] == [inside(item) for item in items]


async def test_keys_of_later_facts_survive_an_erasure_up_to_an_earlier_moment(
    privacy: Privacy, registration: Connection, retention: Connection
) -> None:
    item = everything()[0]
    await keyring.destroy_keys(retention, [(WHO, None, None)], cut_off=NOW)
    (sealed,) = await privacy.seal(registration, [item], at=LATER)
    assert sealed is not None
    assert await keyring.destroy_keys(retention, [(WHO, None, None)], cut_off=NOW) == {}
    (opened,) = await privacy.use(
        registration, "event-arrangement", [ToOpen(WHO, item.category, sealed)]
    )
    assert opened is not None


async def test_between_two_erasures_the_announced_one_holds(
    privacy: Privacy, registration: Connection, retention: Connection
) -> None:
    item = everything()[0]
    await keyring.destroy_keys(retention, [(WHO, None, None)], cut_off=NOW)
    await keyring.announce_cut_off(retention, [(None, None, ONE)], cut_off=LATER)
    assert await privacy.seal(registration, [item], at=NOW) == [None]
    assert await privacy.seal(registration, [item], at=LATER) == [None]
    assert await privacy.seal(registration, [item], at=LATER + timedelta(seconds=1)) != [None]


async def test_everything_at_once_is_refused(retention: Connection) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await keyring.destroy_keys(retention, [(None, None, None)], cut_off=NOW)


async def test_a_destroyer_waits_for_who_is_making_keys_that_nobody_sees_yet(
    privacy: Privacy, registration: Connection, retention: Connection, administrator: Connection
) -> None:
    async with registration.transaction():
        (sealed, *_) = await privacy.seal(registration, everything(), at=NOW)
        assert sealed is not None
        destroying = asyncio.create_task(
            keyring.destroy_keys(retention, [(None, None, ONE)], cut_off=NOW)
        )
        await until_somebody_waits(administrator.fetchval)
        assert not destroying.done()
    assert await destroying == {None: {"contact": 2, "diet": 2}}
    (opened,) = await privacy.use(
        registration, "event-arrangement", [ToOpen(WHO, "contact", sealed)]
    )
    assert opened is None


async def test_what_is_announced_keeps_older_facts_out_before_keys_are_destroyed(
    privacy: Privacy, connect: Connect, retention: Connection
) -> None:
    await keyring.announce_cut_off(retention, [(None, None, ONE)], cut_off=NOW)
    async with retention.transaction():
        await keyring.destroy_keys(retention, [(None, None, ONE)], cut_off=NOW)
        # It is not committed, and holds up nobody who makes keys.
        maker = await connect("registration")
        sealed = await privacy.seal(maker, everything(), at=NOW)
    assert [value is None for value in sealed] == [item.context == ONE for item in everything()]


async def test_the_keys_of_a_person_and_of_an_event_are_found_without_reading_the_ring(
    privacy: Privacy, registration: Connection, administrator: Connection
) -> None:
    await privacy.seal(registration, everything(), at=NOW)
    await administrator.execute(
        "insert into keyring.data_key (subject_id, category, context, generation, key_id, kek,"
        " wrapped) select gen_random_uuid(), 'contact', 'event:' || n % 500, 1, gen_random_uuid(),"
        " '', '' from generate_series(1, 20000) as n"
    )
    await administrator.execute("analyze keyring.data_key")
    for subject, event in ((WHO, None), (None, ONE)):
        before = await rows_read(administrator)
        arguments = "(array[$1::uuid], array[null], array[$2::text]"
        await administrator.execute("begin")
        await administrator.fetch(
            f"select * from keyring.count_keys{arguments})",  # noqa: S608 - our own
            subject,
            event,
        )
        await administrator.fetch(
            f"select * from keyring.destroy_keys{arguments}, $3)",  # noqa: S608 - our own
            subject,
            event,
            NOW,
        )
        await administrator.execute("commit")
        assert await rows_read(administrator) == before


async def rows_read(administrator: Connection) -> int:
    """Rows that sequential scans of the ring have read."""
    await administrator.execute("select pg_stat_force_next_flush()")
    await administrator.execute("select pg_stat_clear_snapshot()")
    read: int = await administrator.fetchval(
        "select seq_tup_read from pg_stat_user_tables where relname = 'data_key'"
    )
    return read
