from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import date, timedelta
from io import BytesIO
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from shared.contract.types import Sealed, SubjectId
from shared.privacy import keyring
from shared.privacy.errors import NotGrantedError, SealError, WrongKeyError
from shared.privacy.grants import apply_grants
from shared.privacy.keyring import Counted
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.privacy.values import ToOpen, ToSeal
from shared.privacy.wrapping import KeyWrappers
from tests.privacy.conftest import NOW, Connect
from tests.support.waiting import until_somebody_waits

PrivacyOf = Callable[[str], Privacy]
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

EVENT = "event:6f1c9c1e-4a43-4a55-9f5c-0a3f4d1f2b11"


@pytest.fixture
async def connection(connect: Connect) -> Connection:
    return await connect("registration")


def somebody() -> SubjectId:
    return SubjectId(uuid4())


def contact(subject: SubjectId, name: str = "Äijä", context: str = EVENT) -> ToSeal:
    return ToSeal(subject, "contact", context, {"name": name, "email": "a@example.org"})


async def sealed_contact(privacy: Privacy, connection: Connection, who: SubjectId) -> Sealed:
    (sealed,) = await privacy.seal(connection, [contact(who)], at=NOW)
    assert sealed is not None
    return sealed


async def test_what_was_sealed_opens_for_a_purpose_of_the_plan(
    privacy: Privacy, connection: Connection
) -> None:
    who = somebody()
    sealed = await sealed_contact(privacy, connection, who)
    (opened,) = await privacy.use(connection, "event-arrangement", [ToOpen(who, "contact", sealed)])
    assert opened is not None
    assert opened.reveal() == {"name": "Äijä", "email": "a@example.org"}


async def test_one_key_for_each_person_category_and_context(
    privacy: Privacy, connection: Connection, administrator: Connection
) -> None:
    who = somebody()
    items = [
        contact(who),
        contact(who, "again"),
        contact(who, context="event:b"),
        ToSeal(who, "diet", EVENT, {"text": "no nuts"}),
        contact(somebody()),
    ]
    await privacy.seal(connection, items, at=NOW)
    await privacy.seal(connection, items, at=NOW)
    assert await administrator.fetchval("select count(*) from keyring.data_key") == 4


async def test_concurrent_makers_of_the_same_keys_agree(privacy: Privacy, connect: Connect) -> None:
    people = [somebody() for _ in range(500)]

    async def seal(order: list[SubjectId]) -> list[tuple[SubjectId, Sealed]]:
        connection = await connect("registration")
        async with connection.transaction():
            sealed = await privacy.seal(connection, [contact(who) for who in order], at=NOW)
        return [(who, value) for who, value in zip(order, sealed, strict=True) if value]

    batches = await asyncio.gather(*map(seal, (people, people[::-1], people, people[250:])))
    reader = await connect("registration")
    for batch in batches:
        opened = await privacy.use(
            reader, "event-arrangement", [ToOpen(who, "contact", value) for who, value in batch]
        )
        assert len(opened) == len(batch)
        assert None not in opened


async def test_a_destroyed_key_is_a_normal_case(
    privacy: Privacy, connection: Connection, connect: Connect
) -> None:
    gone, stays = somebody(), somebody()
    items = [
        ToOpen(who, "contact", await sealed_contact(privacy, connection, who))
        for who in (gone, stays)
    ]
    retention = await connect("retention")
    destroyed = await keyring.destroy_keys(retention, [(gone, None, None)], cut_off=NOW)
    assert destroyed == {gone: {"contact": 1}}
    first, second = await privacy.use(connection, "event-arrangement", items)
    assert first is None
    assert second is not None


async def test_facts_up_to_the_cut_off_add_nothing_and_later_ones_begin_a_generation(
    privacy: Privacy, connection: Connection, connect: Connect, administrator: Connection
) -> None:
    who = somebody()
    old = await sealed_contact(privacy, connection, who)
    retention = await connect("retention")
    await keyring.destroy_keys(retention, [(who, None, None)], cut_off=NOW)
    assert await privacy.seal(connection, [contact(who)], at=NOW) == [None]
    later = NOW + timedelta(seconds=1)
    late, new = await privacy.seal(
        connection,
        [
            ToSeal(who, "contact", EVENT, {"name": "old news"}, at=NOW),
            ToSeal(who, "contact", EVENT, {"name": "new"}, at=later),
        ],
        at=NOW,
    )
    assert late is None
    assert new is not None
    opened = await privacy.use(
        connection,
        "event-arrangement",
        [ToOpen(who, "contact", old), ToOpen(who, "contact", new)],
    )
    assert [one and one.reveal() for one in opened] == [None, {"name": "new"}]
    # Also in a later batch the older fact stays out, though the newest key is alive.
    assert await privacy.seal(connection, [contact(who)], at=NOW) == [None]
    generations = await administrator.fetch(
        "select generation, wrapped is null as gone from keyring.data_key order by generation"
    )
    assert [tuple(row) for row in generations] == [(1, True), (2, False)]


async def test_a_closed_key_is_read_and_what_comes_later_outlives_its_destruction(
    privacy: Privacy, connection: Connection, connect: Connect
) -> None:
    who = somebody()
    old = await sealed_contact(privacy, connection, who)
    retention = await connect("retention")
    name = (who, "contact", EVENT)
    await keyring.close_keys(retention, {name: NOW})
    later = ToSeal(who, "contact", EVENT, {"name": "new"}, at=NOW + timedelta(seconds=1))
    (new,) = await privacy.seal(connection, [later], at=NOW)
    assert new is not None

    async def opened() -> list[object]:
        values = [ToOpen(who, "contact", value) for value in (old, new)]
        used = await privacy.use(connection, "event-arrangement", values)
        return [one and one.reveal() for one in used]

    assert await opened() == [contact(who).content, {"name": "new"}]
    assert await keyring.destroy_closed_keys(retention, [name]) == {name: Counted(1, 1)}
    assert await opened() == [None, {"name": "new"}]
    assert await keyring.destroy_closed_keys(retention, [name]) == {name: Counted(0, 1)}


async def test_closing_keeps_older_facts_out_where_there_was_no_key(
    privacy: Privacy, connection: Connection, connect: Connect
) -> None:
    who = somebody()
    retention = await connect("retention")
    await keyring.close_keys(retention, {(who, "contact", EVENT): NOW})
    assert await privacy.seal(connection, [contact(who)], at=NOW) == [None]


async def test_closing_waits_for_the_transaction_that_seals_with_the_key(
    privacy: Privacy, connection: Connection, connect: Connect, administrator: Connection
) -> None:
    who = somebody()
    await sealed_contact(privacy, connection, who)
    retention = await connect("retention")
    async with connection.transaction():
        await privacy.seal(connection, [contact(who)], at=NOW + timedelta(seconds=1))
        closing = asyncio.create_task(keyring.close_keys(retention, {(who, "contact", EVENT): NOW}))
        await until_somebody_waits(administrator.fetchval)
        assert not closing.done()
    await closing


async def test_an_erasure_before_the_first_fact_leaves_a_tombstone(
    privacy: Privacy, connection: Connection, connect: Connect
) -> None:
    who = somebody()
    retention = await connect("retention")
    assert await keyring.destroy_keys(retention, [(who, "contact", EVENT)], cut_off=NOW) == {}
    assert await privacy.seal(connection, [contact(who)], at=NOW) == [None]


async def test_destroying_waits_for_the_transaction_that_uses_the_key(
    privacy: Privacy, connection: Connection, connect: Connect, administrator: Connection
) -> None:
    who = somebody()
    sealed = await sealed_contact(privacy, connection, who)
    retention = await connect("retention")
    async with connection.transaction():
        await privacy.use(connection, "event-arrangement", [ToOpen(who, "contact", sealed)])
        destroying = asyncio.create_task(
            keyring.destroy_keys(retention, [(who, None, None)], cut_off=NOW)
        )
        await until_somebody_waits(administrator.fetchval)
        assert not destroying.done()
    assert await destroying == {who: {"contact": 1}}


async def test_only_a_service_that_erases_can_destroy(
    connection: Connection,
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await keyring.destroy_keys(connection, [(somebody(), None, None)], cut_off=NOW)


async def test_no_service_can_read_the_keyrings_tables(connect: Connect, plan: Plan) -> None:
    for service in plan.services:
        connection = await connect(service)
        for table in (
            *("subject", "alias", "shared_alias", "erased_alias", "same_person"),
            *("data_key", "cut_off", "record_key", "access_attempt"),
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.copy_from_table(table, schema_name="keyring", output=BytesIO())


async def test_the_database_gives_a_role_no_key_of_a_category_that_is_not_granted(
    privacy: Privacy, connection: Connection, connect: Connect
) -> None:
    who = somebody()
    (diet,) = await privacy.seal(connection, [ToSeal(who, "diet", EVENT, {"text": "x"})], at=NOW)
    assert diet is not None
    finance = await connect("finance")
    call = "select count(*) from keyring.open_keys($1, array[$2::uuid])"
    key_id = diet[1:17].hex()
    assert await finance.fetchval(call, "dietary-needs", key_id) == 0
    assert await finance.fetchval(call, "invoicing", key_id) == 0
    assert await finance.fetchval(call, "", key_id) == 0
    assert await connection.fetchval(call, "invoicing", key_id) == 0
    assert await connection.fetchval(call, "", key_id) == 0
    assert await connection.fetchval(call, "dietary-needs", key_id) == 1
    make = """select places, key_id from keyring.make_keys(array[$1::uuid], array['diet'],
        array[$2], array[now()], array[gen_random_uuid()], array['\\x00'::bytea], 'kek')"""
    assert [tuple(row) for row in await finance.fetch(make, who, EVENT)] == [([], None)]
    assert [tuple(row) for row in await finance.fetch(make, somebody(), EVENT)] == [([], None)]
    await finance.execute("set role none")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await finance.execute("set role steward_registration")


async def test_the_plan_is_asked_before_the_keyring(
    privacy: Privacy, connection: Connection
) -> None:
    who = somebody()
    sealed = await sealed_contact(privacy, connection, who)
    with pytest.raises(NotGrantedError, match="marketing"):
        await privacy.use(connection, "marketing", [ToOpen(who, "contact", sealed)])
    with pytest.raises(NotGrantedError, match="accounting"):
        await privacy.seal(connection, [ToSeal(who, "accounting", "year:2026", {})], at=NOW)


async def test_a_plan_that_grants_less_takes_effect_in_the_database(
    privacy: Privacy, connection: Connection, administrator: Connection, plan: Plan
) -> None:
    who = somebody()
    item = ToOpen(who, "contact", await sealed_contact(privacy, connection, who))
    service = plan.services["registration"].model_copy(update={"grants": {}, "seals": ("diet",)})
    less = plan.model_copy(update={"services": {**plan.services, "registration": service}})
    await apply_grants(administrator, less)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await privacy.use(connection, "event-arrangement", [item])
        with pytest.raises(NotGrantedError):
            await privacy.seal(connection, [contact(who)], at=NOW)
    finally:
        await apply_grants(administrator, plan)


async def test_a_value_put_in_anothers_place_is_refused(
    privacy: Privacy, connection: Connection
) -> None:
    one, two = somebody(), somebody()
    first, second = (
        await sealed_contact(privacy, connection, one),
        await sealed_contact(privacy, connection, two),
    )
    for item in (ToOpen(one, "contact", second), ToOpen(two, "stay", first)):
        with pytest.raises(SealError):
            await privacy.use(connection, "event-arrangement", [item])
    spliced = Sealed(first[:17] + second[17:])
    with pytest.raises(SealError):
        await privacy.use(connection, "event-arrangement", [ToOpen(one, "contact", spliced)])


async def test_a_key_moved_to_another_category_in_the_database_opens_nothing(
    privacy: Privacy, connection: Connection, administrator: Connection
) -> None:
    who = somebody()
    (diet,) = await privacy.seal(connection, [ToSeal(who, "diet", EVENT, {"text": "x"})], at=NOW)
    assert diet is not None
    await administrator.execute("update keyring.data_key set category = 'contact'")
    with pytest.raises(SealError):
        await privacy.use(connection, "event-arrangement", [ToOpen(who, "contact", diet)])


async def test_a_wrong_key_encryption_key_is_noticed_before_anything_is_written(
    privacy: Privacy, connection: Connection, plan: Plan
) -> None:
    await privacy.check(connection)
    await privacy.check(connection)
    other = Privacy(
        plan,
        service="registration",
        wrappers=KeyWrappers.of([b"x" * 32]),
        peppers=[bytes(32)],
        reference_key=bytes(32),
    )
    with pytest.raises(WrongKeyError, match="restore"):
        await other.check(connection)


async def test_no_data_key_is_in_the_database_in_clear(
    plan: Plan, secrets_folder: object, connection: Connection, administrator: Connection
) -> None:
    def random(count: int) -> bytes:
        return b"".join(
            hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(count // 32 + 1)
        )[:count]

    privacy = Privacy(
        plan,
        service="registration",
        wrappers=KeyWrappers.of([b"k" * 32], random),
        peppers=[bytes(32)],
        reference_key=bytes(32),
        random=random,
    )
    await privacy.seal(connection, [contact(somebody())], at=NOW)
    row = await administrator.fetchrow("select * from keyring.data_key")
    assert row is not None
    assert random(42)[-32:] not in row["wrapped"]


async def test_record_bodies_open_for_their_service_only_until_their_key_is_purged(
    privacy_of: PrivacyOf, connect: Connect
) -> None:
    registration, consent = await connect("registration"), await connect("consent")
    privacy = privacy_of("registration")
    day = date(2026, 3, 2)
    bodies = [b"\xff\x00 not text", b"", b"{}"]
    sealed = await privacy.seal_records(registration, day, bodies)
    more = await privacy.seal_records(registration, day, [b"later"])
    assert await privacy.open_records(registration, sealed + more) == [*bodies, b"later"]
    with pytest.raises(SealError):
        await privacy_of("consent").open_records(consent, sealed)
    assert await privacy.purge_record_keys(registration, day + timedelta(days=30)) == 0
    assert await privacy.purge_record_keys(registration, day + timedelta(days=31)) == 1
    assert await privacy.open_records(registration, sealed) == [None, None, None]


async def test_a_reference_is_keyed(privacy: Privacy, plan: Plan) -> None:
    text = b"canary@example.org"
    assert privacy.reference(text) == privacy.reference(text)
    assert len(privacy.reference(text)) == 32
    assert privacy.reference(text) != hashlib.sha256(text).digest()
