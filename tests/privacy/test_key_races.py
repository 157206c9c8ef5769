"""Makers, users and destroyers of the same keys at once, on a real Postgres."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.contract.types import Sealed, SubjectId
from shared.privacy import keyring
from shared.privacy.privacy import Privacy
from shared.privacy.sealing import KeyWrapper
from shared.privacy.values import ToOpen, ToSeal
from shared.runtime.secrets import SecretsFolder
from tests.privacy.conftest import NOW, Connect
from tests.support.waiting import until_somebody_waits

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PEOPLE = [SubjectId(UUID(int=number)) for number in range(1, 13)]
SAME_PEOPLE = {PEOPLE[7]: PEOPLE[1], PEOPLE[3]: PEOPLE[9]}
"""Subjects that proved to be the same person as another."""
EVENTS = ("event:a", "event:b")
Row: TypeAlias = "tuple[SubjectId, datetime, Sealed]"


async def make_and_use(
    connection: Connection, privacy: Privacy, choose: random.Random, kept: list[Row]
) -> None:
    """Seal facts of many moments; what a transaction sealed, it can open until it commits."""
    people = choose.sample(PEOPLE, 6)
    items = [
        ToSeal(
            who,
            "contact",
            choose.choice(EVENTS),
            {"name": str(who)},
            at=NOW + timedelta(seconds=choose.randrange(100)),
        )
        for who in people
    ]
    async with connection.transaction():
        sealed = await privacy.seal(connection, items, at=NOW)
        rows = [
            (item.subject_id, item.at, value)
            for item, value in zip(items, sealed, strict=True)
            if value is not None and item.at is not None
        ]
        opened = await privacy.use(
            connection,
            "event-arrangement",
            [ToOpen(who, "contact", value) for who, _, value in rows],
        )
        assert None not in opened
    kept.extend(rows)


async def destroy(
    connection: Connection, choose: random.Random, cut_offs: dict[SubjectId, datetime]
) -> None:
    who = choose.choice(PEOPLE)
    person = {who, SAME_PEOPLE.get(who, who)} | {o for o, n in SAME_PEOPLE.items() if n == who}
    names: list[keyring.KeyName] = [(one, None, None) for one in person]
    cut_off = NOW + timedelta(seconds=choose.randrange(100))
    if choose.random() < 0.5:
        # Who makes keys does not wait for what follows.
        await keyring.announce_cut_off(connection, names, cut_off=cut_off)
    async with connection.transaction():
        await keyring.destroy_keys(connection, names, cut_off=cut_off)
    for one in person:
        cut_offs[one] = max(cut_off, cut_offs.get(one, cut_off))


async def close_and_destroy(connection: Connection, choose: random.Random) -> None:
    """As what is due goes: what is sealed between the two and is later has another key."""
    names = [(who, "contact", choose.choice(EVENTS)) for who in choose.sample(PEOPLE, 4)]
    up_to = {name: NOW + timedelta(seconds=choose.randrange(100)) for name in names}
    await keyring.close_keys(connection, up_to)
    async with connection.transaction():
        await keyring.destroy_closed_keys(connection, names)


async def once_more(work: Callable[[], Awaitable[None]]) -> None:
    """As batches and the command do where both meet crosswise: a name without any key gets its
    tombstone first, and who makes keys locks first what an announced erasure covers.
    """
    for _ in range(5):
        with contextlib.suppress(asyncpg.DeadlockDetectedError):
            return await work()
    raise AssertionError("they meet crosswise again and again")


async def taken_for_erased(administrator: Connection) -> list[asyncpg.Record]:
    """Subjects of people of whom a key is alive."""
    return await administrator.fetch(
        "select s.subject_id from keyring.subject s"
        " cross join keyring.same_people(array[s.subject_id]) p"
        " join keyring.data_key k on k.subject_id = p.subject_id"
        " where s.erased_at is not null and k.wrapped is not null"
    )


@pytest.mark.parametrize("seed", range(3))
async def test_what_a_batch_seals_it_can_open_and_what_is_destroyed_stays_destroyed(
    seed: int, privacy_of: Callable[[str], Privacy], connect: Connect, administrator: Connection
) -> None:
    privacy = privacy_of("registration")
    await administrator.execute(
        "insert into keyring.subject (subject_id) select unnest($1::uuid[])", PEOPLE
    )
    await administrator.executemany(
        "insert into keyring.same_person (subject_id, same_as) values ($1, $2)",
        list(SAME_PEOPLE.items()),
    )
    kept: list[Row] = []
    cut_offs: dict[SubjectId, datetime] = {}

    async def worker(number: int) -> None:
        choose = random.Random(seed * 100 + number)  # noqa: S311 - which of a few, not a secret
        connection = await connect("retention" if number == 0 else "registration")
        for _ in range(15):
            if number == 0:
                await destroy(connection, choose, cut_offs)
                await once_more(lambda: close_and_destroy(connection, choose))
            else:
                await once_more(lambda: make_and_use(connection, privacy, choose, kept))

    await asyncio.gather(*map(worker, range(4)))
    assert await taken_for_erased(administrator) == []
    # At last everyone is erased once more, up to the latest fact: nothing opens any longer.
    retention, registration = await connect("retention"), await connect("registration")
    items = [ToOpen(who, "contact", value) for who, _, value in kept]
    opened = await privacy.use(registration, "event-arrangement", items)
    alive = {
        UUID(bytes=value[1:17]): at
        for (_, at, value), content in zip(kept, opened, strict=True)
        if content is not None
    }
    after = await administrator.fetch("select key_id, after from keyring.data_key")
    for row in after:
        if row["after"] is not None and row["key_id"] in alive:
            assert alive[row["key_id"]] > row["after"]
    latest = NOW + timedelta(seconds=100)
    everything = [(who, "contact", event) for who in PEOPLE for event in EVENTS]
    await keyring.destroy_keys(retention, everything, cut_off=latest)
    assert set(await privacy.use(registration, "event-arrangement", items)) == {None}
    late = [ToSeal(who, "contact", event, {}, at=latest) for who, _, event in everything]
    assert set(await privacy.seal(registration, late, at=latest)) == {None}


async def test_a_generation_made_while_a_batch_waited_is_locked_for_it_too(
    privacy_of: Callable[[str], Privacy],
    connect: Connect,
    administrator: Connection,
    database: str,
    secrets_folder: SecretsFolder,
) -> None:
    """Nobody destroys a key between the making and the opening of one transaction."""
    privacy, who = privacy_of("registration"), PEOPLE[0]
    retention, batch = await connect("retention"), await connect("registration")
    holder = await asyncpg.connect(database)
    early, late = (
        ToSeal(who, "contact", "event:a", {"name": "x"}, at=NOW + timedelta(seconds=s))
        for s in (0, 20)
    )
    async with batch.transaction():
        await privacy.seal(batch, [early], at=NOW)
    await keyring.destroy_keys(retention, [(who, None, None)], cut_off=NOW + timedelta(seconds=10))
    holding = holder.transaction()
    await holding.start()
    await holder.execute("select from keyring.data_key for update")
    async with batch.transaction():
        sealing = asyncio.create_task(privacy.seal(batch, [late], at=NOW))
        await until_somebody_waits(administrator.fetchval)
        second = await _make_second_generation(administrator, secrets_folder)
        await holding.rollback()
        (sealed,) = await sealing
        assert sealed is not None
        assert sealed[1:17] == second.bytes
        with pytest.raises(asyncpg.LockNotAvailableError):
            await administrator.execute(
                "select from keyring.data_key where key_id = $1 for update nowait", second
            )
    await holder.close()


async def _make_second_generation(administrator: Connection, secrets: SecretsFolder) -> UUID:
    """As another batch does that was let through before."""
    (key,) = secrets.key_encryption_keys().values()
    wrapper, second = KeyWrapper(key), uuid4()
    await administrator.execute(
        "insert into keyring.data_key"
        " (subject_id, category, context, generation, key_id, kek, wrapped, after)"
        " select subject_id, category, context, 2, $1, kek, $2, cut_off from keyring.data_key",
        second,
        wrapper.wrap(second.bytes, os.urandom(32), os.urandom(12)),
    )
    return second
