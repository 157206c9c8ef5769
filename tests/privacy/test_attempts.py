"""Attempts to get at keys that nobody granted: refused, counted, and told in the log."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest

from shared.contract.audit import (
    AccessRefused,
)
from shared.contract.types import Sealed, SubjectId
from shared.privacy.errors import NotGrantedError
from shared.privacy.grants import apply_grants
from shared.privacy.office import PrivacyOffice
from shared.privacy.plan import Plan
from shared.privacy.privacy import Privacy
from shared.privacy.subjects import Alias
from shared.privacy.values import ToOpen, ToSeal
from shared.runtime.database import open_pool
from tests.conftest import SettingsFactory
from tests.privacy.conftest import NOW, Connect, SpokenTransaction
from tests.support.work import NO_KAFKA

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PrivacyOf = Callable[[str], Privacy]

SOMEBODY = Alias("email", "old@example.org")
SEALED = Sealed(bytes(64))


@pytest.fixture
async def tx(connect: Connect) -> SpokenTransaction:
    return SpokenTransaction(await connect("retention"))


async def somebody(privacy: Privacy, intake: Connection) -> SubjectId:
    (found,) = await privacy.people.identify(intake, [[SOMEBODY]])
    return found


async def reported(
    office: PrivacyOffice, tx: SpokenTransaction, administrator: Connection
) -> list[AccessRefused]:
    """What the log is told once the minute is over; what it is told of two minutes, if one ended
    meanwhile, as one.
    """
    assert await office.report_attempts(tx, 100) == 0
    await administrator.execute(
        "update keyring.access_attempt set minute = minute - interval '1 hour'"
    )
    tx.now = await administrator.fetchval("select now()")
    while await office.report_attempts(tx, 1):
        pass
    told: dict[Hashable, AccessRefused] = {}
    for entry, _, _ in tx.said:
        if isinstance(entry, AccessRefused):
            about = (entry.actor, entry.refused_by, entry.categories, entry.purpose)
            attempts = entry.attempts + (told[about].attempts if about in told else 0)
            told[about] = entry.model_copy(update={"attempts": attempts})
    return list(told.values())


async def test_a_role_that_asks_for_another_category_gets_nothing_and_is_in_the_log(
    privacy: Privacy,
    intake: Connection,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    connect: Connect,
    administrator: Connection,
) -> None:
    who = await somebody(privacy, intake)
    (diet,) = await privacy.seal(intake, [ToSeal(who, "diet", "event:a", {})], at=NOW)
    assert diet is not None
    finance = await connect("finance")
    key_id = diet[1:17].hex()
    for purpose in ("invoicing", "invoicing", "some text of a role"):
        call = "select count(*) from keyring.open_keys($1, array[$2::uuid])"
        assert await finance.fetchval(call, purpose, key_id) == 0
    for category in ("diet", "another text"):
        await finance.fetch(
            "select * from keyring.make_keys(array[$1::uuid], array[$2], array[''], array[now()],"
            " array[gen_random_uuid()], array['\\x00'::bytea], 'kek')",
            who,
            category,
        )
    told = await reported(office, tx, administrator)
    assert {(one.actor, one.refused_by, one.service) for one in told} == {
        ("service:finance", "keyring", "retention")
    }
    assert sorted((one.categories, one.purpose or "", one.attempts) for one in told) == [
        ((), "", 1),
        (("diet",), "", 2),
        (("diet",), "invoicing", 2),
    ]


async def test_what_is_granted_is_no_attempt(
    privacy: Privacy, intake: Connection, administrator: Connection
) -> None:
    who = await somebody(privacy, intake)
    (sealed,) = await privacy.seal(intake, [ToSeal(who, "contact", "event:a", {})], at=NOW)
    assert sealed is not None
    await privacy.use(intake, "event-arrangement", [ToOpen(who, "contact", sealed)] * 2)
    assert await administrator.fetchval("select count(*) from keyring.access_attempt") == 0


async def test_the_doors_refusal_is_recorded_though_the_caller_rolls_back(
    service_settings: SettingsFactory,
    privacy: Privacy,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    administrator: Connection,
) -> None:
    settings = service_settings("registration", kafka_bootstrap_servers=NO_KAFKA)
    who = SubjectId(uuid4())
    async with await open_pool(settings, service="registration", max_size=2) as pool:
        privacy.record_attempts_in(pool)
        for _ in range(2):
            with pytest.raises(NotGrantedError):
                async with pool.acquire() as connection, connection.transaction():
                    await privacy.seal(
                        connection, [ToSeal(who, "accounting", "year:2026", {})], at=NOW
                    )
        async with pool.acquire() as connection:
            (sealed,) = await privacy.seal(
                connection, [ToSeal(who, "contact", "event:a", {})], at=NOW
            )
            assert sealed is not None
            with pytest.raises(NotGrantedError):
                async with connection.transaction():
                    await privacy.use(connection, "marketing", [ToOpen(who, "contact", sealed)])
    told = await reported(office, tx, administrator)
    assert sorted((one.categories, one.purpose or "", one.attempts) for one in told) == [
        (("accounting",), "", 2),
        (("contact",), "marketing", 1),
    ]
    assert {one.refused_by for one in told} == {"door"}


async def test_a_key_that_the_keyring_refuses_to_the_door_is_recorded_too(
    service_settings: SettingsFactory,
    privacy: Privacy,
    plan: Plan,
    tx: SpokenTransaction,
    office: PrivacyOffice,
    administrator: Connection,
) -> None:
    settings = service_settings("registration", kafka_bootstrap_servers=NO_KAFKA)
    who = SubjectId(uuid4())
    service = plan.services["registration"].model_copy(
        update={"grants": {"catering": ("contact",)}, "seals": ("diet",)}
    )
    less = plan.model_copy(update={"services": {**plan.services, "registration": service}})
    async with await open_pool(settings, service="registration", max_size=2) as pool:
        privacy.record_attempts_in(pool)
        async with pool.acquire() as connection:
            contact = ToSeal(who, "contact", "event:a", {})
            (sealed,) = await privacy.seal(connection, [contact], at=NOW)
            assert sealed is not None
            await apply_grants(administrator, less)
            try:
                # Both count, in transactions of their own, and neither waits for the other.
                item = ToOpen(who, "contact", sealed)
                with pytest.raises(NotGrantedError):
                    async with connection.transaction():
                        await privacy.use(connection, "event-arrangement", [item])
                with pytest.raises(NotGrantedError):
                    async with connection.transaction():
                        await privacy.seal(connection, [contact], at=NOW)
            finally:
                await apply_grants(administrator, plan)
    told = await reported(office, tx, administrator)
    assert [(one.categories, one.attempts, one.refused_by) for one in told] == [
        (("contact",), 2, "door")
    ]


async def test_a_refusal_that_cannot_be_recorded_is_a_refusal(
    service_settings: SettingsFactory, privacy: Privacy, intake: Connection
) -> None:
    settings = service_settings("registration", kafka_bootstrap_servers=NO_KAFKA)
    pool = await open_pool(settings, service="registration", max_size=1)
    privacy.record_attempts_in(pool)
    await pool.close()
    with pytest.raises(NotGrantedError):
        await privacy.use(intake, "marketing", [ToOpen(SubjectId(uuid4()), "contact", SEALED)])
