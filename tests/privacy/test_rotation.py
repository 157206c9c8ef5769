"""Another key-encryption key for the whole ring, while others make, use and destroy keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from shared.contract.audit import KeysRotated
from shared.contract.types import Sealed, SubjectId
from shared.privacy import keyring, rotation
from shared.privacy.errors import KeyUnavailableError, WrongKeyError
from shared.privacy.office import PrivacyOffice
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.privacy.values import ToOpen, ToSeal
from shared.privacy.wrapping import KeyEncryptionKey, KeyWrappers, LocalKey, PlainKey
from shared.runtime.database import is_transient
from tests.privacy.conftest import NOW, Connect, SpokenTransaction
from tests.support.waiting import until_somebody_waits

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

EVENT = "event:a"
DAY = date(2026, 3, 2)
OLD, NEW = LocalKey(b"o" * 32), LocalKey(b"n" * 32)


@dataclass
class Shelf:
    """Where every process finds the key-encryption keys, the newest first."""

    keys: list[KeyEncryptionKey] = field(default_factory=lambda: [OLD])

    async def read(self) -> Sequence[KeyEncryptionKey]:
        return list(self.keys)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def wrappers(shelf: Shelf) -> KeyWrappers:
    """As the process has them that wraps anew."""
    return KeyWrappers(shelf.read)


@pytest.fixture
def service(shelf: Shelf, plan: Plan) -> Callable[[str], Privacy]:
    """As a process of a service has it, which reads the shelf for itself."""
    return lambda name: Privacy(
        plan,
        service=name,
        wrappers=KeyWrappers(shelf.read),
        peppers=[bytes(32)],
        reference_key=bytes(32),
    )


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "PAGE", 3)
    monkeypatch.setattr(rotation, "LOOK_AGAIN_S", 0.01)


async def seal(privacy: Privacy, connection: Connection, people: int = 1) -> list[ToOpen]:
    items = [
        ToSeal(SubjectId(uuid4()), "contact", EVENT, {"name": str(number)})
        for number in range(people)
    ]
    sealed = await privacy.seal(connection, items, at=NOW)
    assert all(sealed)
    return [
        ToOpen(item.subject_id, item.category, Sealed(value or b""))
        for item, value in zip(items, sealed, strict=True)
    ]


async def readable(privacy: Privacy, connection: Connection, values: Sequence[ToOpen]) -> int:
    opened = await privacy.use(connection, "event-arrangement", values)
    return sum(one is not None for one in opened)


async def wrapped_by(administrator: Connection) -> dict[str, int]:
    """By key-encryption key: how many data keys that are alive it wraps."""
    rows = await administrator.fetch(
        "select kek, count(*) from keyring.data_key where wrapped is not null group by kek"
    )
    return {row["kek"]: row["count"] for row in rows}


async def rotate(administrator: Connection, wrappers: KeyWrappers, shelf: Shelf) -> int:
    """Both steps; how many keys were wrapped anew."""
    shelf.keys.insert(0, NEW)
    await wrappers.read()
    await rotation.replace(administrator, OLD.id, NEW.id)
    return await rewrap(administrator, wrappers)


async def rewrap(administrator: Connection, wrappers: KeyWrappers) -> int:
    done: list[int] = []
    await wrappers.make_current(NEW.id)
    await rotation.rewrap(administrator, wrappers, OLD.id, done.append)
    return sum(done)


@pytest.mark.usefixtures("small_pages")
async def test_everything_stays_readable_and_nothing_needs_the_old_key(
    service: Callable[[str], Privacy],
    connect: Connect,
    administrator: Connection,
    wrappers: KeyWrappers,
    shelf: Shelf,
) -> None:
    registration, privacy = await connect("registration"), service("registration")
    await privacy.check(registration)
    values = await seal(privacy, registration, 10)
    body = await privacy.seal_records(registration, DAY, [b"as it came"])
    assert await rotate(administrator, wrappers, shelf) == 11
    assert await wrapped_by(administrator) == {NEW.id: 10}
    values += await seal(privacy, registration, 2)
    shelf.keys.remove(OLD)
    another = service("registration")
    assert await readable(another, registration, values) == 12
    assert await another.open_records(registration, body) == [b"as it came"]
    assert await wrapped_by(administrator) == {NEW.id: 12}


async def test_who_makes_keys_under_the_old_one_makes_them_under_the_new_one(
    service: Callable[[str], Privacy],
    connect: Connect,
    administrator: Connection,
    wrappers: KeyWrappers,
    shelf: Shelf,
) -> None:
    registration, privacy = await connect("registration"), service("registration")
    await privacy.check(registration)
    await rotate(administrator, wrappers, shelf)
    async with registration.transaction():
        values = await seal(privacy, registration)
        await privacy.seal_records(registration, DAY, [b""])
        assert await readable(privacy, registration, values) == 1
    assert await wrapped_by(administrator) == {NEW.id: 1}
    assert await administrator.fetchval("select kek from keyring.record_key") == NEW.id


async def test_a_process_that_does_not_find_the_new_one_waits_and_writes_nothing(
    service: Callable[[str], Privacy],
    connect: Connect,
    administrator: Connection,
    wrappers: KeyWrappers,
    shelf: Shelf,
) -> None:
    registration, privacy = await connect("registration"), service("registration")
    await privacy.check(registration)
    values = await seal(privacy, registration)
    await rotate(administrator, wrappers, shelf)
    shelf.keys = [OLD]
    for work in (
        seal(privacy, registration),
        privacy.use(registration, "event-arrangement", values),
        privacy.seal_records(registration, DAY, [b""]),
    ):
        with pytest.raises(KeyUnavailableError) as caught:
            await work
        assert is_transient(caught.value)
        assert f"waits for the key-encryption key {NEW.id[:8]}" in str(caught.value)
    assert await wrapped_by(administrator) == {NEW.id: 1}
    shelf.keys = [NEW]
    assert await readable(privacy, registration, values) == 1


async def test_who_starts_needs_both_until_the_rotation_is_at_its_end(
    service: Callable[[str], Privacy],
    connect: Connect,
    administrator: Connection,
    wrappers: KeyWrappers,
    shelf: Shelf,
) -> None:
    registration, retention = await connect("registration"), await connect("retention")
    await service("registration").check(registration)
    await rotate(administrator, wrappers, shelf)
    for lacking in ([OLD], [NEW]):
        shelf.keys = list(lacking)
        with pytest.raises(WrongKeyError, match="Give both"):
            await service("registration").check(registration)
    assert len(await keyring.retire_key_encryption_keys(retention)) == 1
    await service("registration").check(registration)
    shelf.keys = [OLD]
    with pytest.raises(WrongKeyError, match="restore"):
        await service("registration").check(registration)


async def test_who_is_making_keys_is_waited_for(
    service: Callable[[str], Privacy],
    connect: Connect,
    administrator: Connection,
    database: str,
    wrappers: KeyWrappers,
    shelf: Shelf,
) -> None:
    registration, other = await connect("registration"), await connect("registration")
    privacy = service("registration")
    await privacy.check(registration)
    rotating = await asyncpg.connect(database)
    transaction = registration.transaction()
    await transaction.start()
    values = await seal(privacy, registration)
    rotated = asyncio.create_task(rotate(rotating, wrappers, shelf))
    await until_somebody_waits(administrator.fetchval)
    later = asyncio.create_task(seal(service("registration"), other))
    values += await seal(privacy, registration)  # it holds the lock: nobody is in its way
    await transaction.commit()
    assert await rotated == 2
    values += await later
    assert await wrapped_by(administrator) == {NEW.id: 3}
    assert await readable(privacy, registration, values) == 3
    await rotating.close()


@pytest.mark.usefixtures("small_pages")
async def test_a_key_in_use_is_wrapped_anew_and_one_being_destroyed_is_waited_for(
    service: Callable[[str], Privacy],
    connect: Connect,
    administrator: Connection,
    database: str,
    wrappers: KeyWrappers,
    shelf: Shelf,
) -> None:
    registration, retention = await connect("registration"), await connect("retention")
    user = await connect("registration")
    privacy = service("registration")
    await privacy.check(registration)
    values = await seal(privacy, registration, 7)
    going = values[3].subject_id
    destruction = retention.transaction()
    await destruction.start()
    await keyring.destroy_keys(retention, [(going, "contact", EVENT)], cut_off=NOW)
    async with user.transaction():
        assert await readable(privacy, user, values[:2]) == 2
        rotating = await asyncpg.connect(database)
        rotated = asyncio.create_task(rotate(rotating, wrappers, shelf))
        while (await wrapped_by(administrator)).get(NEW.id) != 6:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        assert not rotated.done()
        await destruction.commit()
    assert await rotated == 6
    assert await wrapped_by(administrator) == {NEW.id: 6}
    assert await readable(privacy, registration, values) == 6
    await rotating.close()


async def test_a_key_that_is_destroyed_between_reading_and_writing_stays_destroyed(
    service: Callable[[str], Privacy], connect: Connect, administrator: Connection, shelf: Shelf
) -> None:
    registration, retention = await connect("registration"), await connect("retention")
    privacy = service("registration")
    await privacy.check(registration)
    (gone, stays) = await seal(privacy, registration, 2)

    class Slow(LocalKey):
        async def wrap(self, keys: Sequence[PlainKey]) -> list[bytes]:
            await keyring.destroy_keys(
                retention, [(gone.subject_id, "contact", EVENT)], cut_off=NOW
            )
            return await super().wrap(keys)

    new = Slow(b"n" * 32)
    shelf.keys.insert(0, new)
    wrappers = KeyWrappers(shelf.read)
    await rotation.replace(administrator, OLD.id, new.id)
    assert await rewrap(administrator, wrappers) == 1
    assert await readable(privacy, registration, [gone, stays]) == 1


class KilledError(Exception):
    """The process is gone."""


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("page", [0, 2])
async def test_a_rotation_that_is_killed_goes_on_and_counts_right(
    page: int,
    service: Callable[[str], Privacy],
    connect: Connect,
    administrator: Connection,
    shelf: Shelf,
    plan: Plan,
) -> None:
    registration, retention = await connect("registration"), await connect("retention")
    privacy = service("registration")
    await privacy.check(registration)
    values = await seal(privacy, registration, 10)

    class Mortal(LocalKey):
        left = page

        async def wrap(self, keys: Sequence[PlainKey]) -> list[bytes]:
            if not self.left:
                raise KilledError
            self.left -= 1
            return await super().wrap(keys)

    with pytest.raises(KilledError):
        await rotate_with(administrator, shelf, Mortal(b"n" * 32))
    assert await readable(privacy, registration, values) == 10
    assert await keyring.retire_key_encryption_keys(retention) == []
    shelf.keys = [NEW, OLD]
    assert await rewrap(administrator, KeyWrappers(shelf.read)) == 10 - 3 * page
    office = PrivacyOffice(service_of_the_office(plan), "cli:operator")
    tx = SpokenTransaction(retention)
    await office.retire_replaced(tx)
    await office.retire_replaced(tx)
    ((entry, _, _),) = tx.said
    assert isinstance(entry, KeysRotated)
    assert (entry.key_encryption_key, entry.replaced, entry.keys) == (NEW.id, OLD.id, 10)


async def rotate_with(administrator: Connection, shelf: Shelf, key: LocalKey) -> None:
    shelf.keys.insert(0, key)
    await rotation.replace(administrator, OLD.id, key.id)
    await rewrap(administrator, KeyWrappers(shelf.read))


def service_of_the_office(plan: Plan) -> Privacy:
    return Privacy(
        plan,
        service="retention",
        wrappers=KeyWrappers.of([bytes(32)]),
        peppers=[bytes(32)],
        reference_key=bytes(32),
    )


async def test_of_two_rotations_at_once_one_is_told(
    service: Callable[[str], Privacy], connect: Connect, administrator: Connection
) -> None:
    registration = await connect("registration")
    await service("registration").check(registration)
    await rotation.replace(administrator, OLD.id, NEW.id)
    with pytest.raises(WrongKeyError, match="meanwhile"):
        await rotation.replace(administrator, OLD.id, "another")
    ring = await rotation.read_ring(administrator)
    assert (ring.current, ring.replaced, ring.retired) == (NEW.id, (OLD.id,), {})
