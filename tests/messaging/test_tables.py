"""What the tables of messaging promise, and what keeps them small."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from shared.contract.message import Message
from shared.contract.types import Sealed
from shared.messaging import store
from shared.messaging.maintenance import HOUSEKEEPING_LATE, Maintenance
from shared.messaging.planning import KEEP_DAYS
from shared.messaging.redrive import Redrive
from shared.runtime.application import Loop
from shared.runtime.clock import utc_now
from shared.runtime.database import Connection, role_name
from shared.runtime.health import Heartbeats
from tests.support.clusters import MemoryCluster, Sent
from tests.support.messaging import SCHEMA, PlainSealer, World
from tests.support.reading import OnceReachedLog, reading
from tests.support.waiting import until_somebody_waits

TODAY = date(2031, 5, 20)


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


async def partitions(world: World) -> list[str]:
    rows = await world.admin.fetch(
        "select inhrelid::regclass::text as name from pg_inherits"
        " where inhparent = 'inbox'::regclass order by 1"
    )
    return [row["name"].removeprefix("inbox_") for row in rows]


async def test_partitions_of_the_inbox_are_made_ahead_and_dropped_when_old(world: World) -> None:
    def named(day: date) -> str:
        return f"{day:%Y%m%d}"

    async with world.pool.acquire() as connection:
        for day in range(KEEP_DAYS + 3):
            await store.keep_inbox(connection, TODAY + timedelta(days=day), KEEP_DAYS)
            assert named(TODAY + timedelta(days=day + 2)) in await partitions(world)
        found = await partitions(world)
        assert named(TODAY + timedelta(days=2)) in found
        assert named(TODAY + timedelta(days=1)) not in found
        await store.keep_inbox(connection, utc_now().date(), KEEP_DAYS)


async def claim(connection: Connection, claims: Mapping[bytes, store.Claim]) -> Collection[bytes]:
    return (await store.begin(connection, {}, {}, claims)).known


async def test_nothing_fails_for_want_of_a_partition(world: World) -> None:
    far = TODAY + timedelta(days=400)
    async with world.pool.acquire() as connection:
        assert await claim(connection, {b"1": (far, b"body")}) == []
        await store.keep_inbox(connection, far, KEEP_DAYS)
        assert await world.admin.fetchval("select count(*) from inbox_default") == 0
        assert await claim(connection, {b"1": (far, b"body")}) == [b"1"]
        assert await store.claimed_bodies(connection, {b"1": (far, b"")}) == {b"1": b"body"}
        await store.keep_inbox(connection, utc_now().date(), KEEP_DAYS)


async def test_a_claim_looks_into_one_partition(world: World) -> None:
    """One probe of one index, however many days are kept."""
    plan = await world.admin.fetch(
        "explain (costs off) select body from inbox where day = $1 and identity = $2",
        utc_now().date(),
        b"1",
    )
    assert sum("Index" in row[0] for row in plan if "Cond" not in row[0]) <= 1
    assert len({row[0] for row in plan if " on inbox_" in row[0]}) == 1


async def test_a_service_may_not_change_what_it_has_taken(world: World) -> None:
    async with world.pool.acquire() as connection:
        for statement in (
            "delete from inbox",
            "drop table inbox_default",
            "delete from position",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_a_redrive_waits_for_the_batch_that_parks_behind_it(world: World) -> None:
    """Else the key would be let go, and later messages overtake the one that waits."""
    parked_while_handling = []

    async def look(messages: Sequence[Message[Any]]) -> None:
        parked_while_handling.append(await world.admin.fetchval("select count(*) from parked_key"))

    await world.send(Sent("a", 1, "fail"), Sent("a", 2))
    async with world.running():
        await world.taken(2)
    world.mended = True
    world.before_handling = look
    head, follower = await world.dead_letters()
    key = (world.inbound, head["key_reference"])

    async with world.pool.acquire() as connection:
        batch = connection.transaction()
        await batch.start()
        assert await store.parked_among(connection, [key]) == {key}
        redrive = asyncio.create_task(Redrive(world.service, world.tools()).run([head["id"]]))
        await until_somebody_waits(world.admin.fetchval)
        late = replace(_letter(follower), record_offset=follower["record_offset"] + 100)
        await store.bury(connection, [late], utc_now())
        await batch.commit()
    assert (await redrive).handled == 3
    assert parked_while_handling == [1, 1, 1]
    assert await world.dead_letters() == []


def _letter(row: dict[str, Any]) -> store.DeadLetter:
    return store.DeadLetter(**{**row, "sealed": Sealed(row["sealed"])})


async def test_a_database_that_may_log_what_a_service_says_is_told_of(world: World) -> None:
    database = await world.admin.fetchval("select current_database()")
    loud = f"alter role {role_name(SCHEMA)} in database {database} set log_statement = 'all'"
    await world.admin.execute(loud)
    await world.pool.expire_connections()
    async with world.running() as process:
        transport = world.cluster.transport(world.service.settings)
        maintenance = Maintenance(world.service, [process.consumer], transport, now=utc_now)
        with capture_logs() as lines:
            await maintenance.keep_house()
    (told,) = [line for line in lines if line["event"] == "the database may log personal data"]
    assert told["settings"] == ["log_statement"]


class CountingSealer(PlainSealer):
    """Says on which days old keys were to be destroyed."""

    def __init__(self) -> None:
        self.purged: list[date] = []

    async def purge_record_keys(self, connection: Connection, today: date) -> int:
        self.purged.append(today)
        return 0


async def test_what_a_backup_holds_up_holds_up_nothing_else(world: World) -> None:
    """`pg_dump` locks all tables as long as it lasts, and a new day of the inbox waits for one."""
    sealer = CountingSealer()
    clock, told = [utc_now() + timedelta(days=10)], list[Mapping[str, str]]()
    heartbeats, stopping = Heartbeats(), asyncio.Event()
    heartbeats.expect("maintenance", 30)

    async with world.admin.acquire() as connection:
        backup = connection.transaction()
        await backup.start()
        await connection.execute("lock table inbox_default in access share mode")

        class HurriedLoop(Loop):
            async def pause(self, seconds: float) -> None:
                told.append(heartbeats.not_ready())
                clock[0] += HOUSEKEEPING_LATE
                if len(told) == 2:
                    await backup.rollback()
                if len(told) == 3:
                    stopping.set()

        service = replace(world.service, sealer=sealer)
        transport = world.cluster.transport(service.settings)
        maintenance = Maintenance(service, [], transport, now=lambda: clock[0])
        with capture_logs() as lines:
            await maintenance.run(HurriedLoop("maintenance", heartbeats, stopping))
    assert told == [{}, {"maintenance": "housekeeping has failed for an hour"}, {}]
    waits = [line for line in lines if line["event"] == "housekeeping has to wait"]
    assert [line["sqlstate"] for line in waits] == ["55P03"] * 2
    assert len(sealer.purged) == 3


async def test_keys_are_destroyed_and_days_prepared_while_kafka_does_not_answer(
    world: World,
) -> None:
    later = utc_now() + timedelta(days=10)
    sealer, told = CountingSealer(), list[Mapping[str, str]]()
    heartbeats, stopping = Heartbeats(), asyncio.Event()
    heartbeats.expect("maintenance", 30)

    class HurriedLoop(Loop):
        async def pause(self, seconds: float) -> None:
            told.append(heartbeats.not_ready())
            stopping.set()

    consumer = await reading(world, OnceReachedLog())
    service = replace(world.service, sealer=sealer)
    transport = world.cluster.transport(service.settings)
    maintenance = Maintenance(
        service, [consumer], transport, now=lambda: later, inbound={world.inbound}
    )
    with capture_logs() as lines:
        await maintenance.run(HurriedLoop("maintenance", heartbeats, stopping))
    assert sealer.purged == [later.date()]
    assert f"{later.date() + timedelta(days=2):%Y%m%d}" in await partitions(world)
    assert told == [{"maintenance": "Kafka does not answer"}]
    waits = [line["event"] for line in lines if line["event"].endswith("has to wait")]
    assert waits == ["maintenance has to wait", "housekeeping has to wait"]


async def test_read_messages_are_deleted_up_to_our_position_and_not_beyond(world: World) -> None:
    now = utc_now()
    async with world.running() as process:
        await world.send(*(Sent(f"key-{n}", n, partition=0) for n in range(10)))
        await world.taken(10)
        transport = world.cluster.transport(world.service.settings)
        maintenance = Maintenance(
            world.service,
            [process.consumer],
            transport,
            now=lambda: now + timedelta(hours=1),
            inbound={world.inbound},
        )
        await maintenance.keep_house()
        assert len(await world.cluster.read(world.inbound)) == 10, "not old enough"
        maintenance = Maintenance(
            world.service,
            [process.consumer],
            transport,
            now=lambda: now + timedelta(hours=9),
            inbound={world.inbound},
        )
        await maintenance.keep_house()
        assert await world.cluster.read(world.inbound) == []
        assert list(process.consumer.gaps) == []
    await world.send(Sent("key-10", 10, partition=0))
    async with world.running() as process:
        await world.taken(11)
