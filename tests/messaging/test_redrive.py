"""What a redrive leaves behind where it fails, and a discard. What was refused before a handler saw
it is redriven by itself: it holds nothing up, and nothing holds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.messaging.dead_letters import Discarder, discard_dead_letters
from shared.messaging.redrive import Redrive
from shared.runtime.database import Connection
from tests.support.clusters import Sent
from tests.support.messaging import SCHEMA, World, until


async def test_what_was_refused_is_tried_again_also_where_it_has_a_key(world: World) -> None:
    await world.send(Sent("a", 1, body=b"{"), Sent("a", 2))
    async with world.running():
        await world.taken(2)
        (refused,) = await world.dead_letters()
        result = await Redrive(world.service, world.tools()).run([refused["id"]])
        assert (result.handled, [one.reason for one in result.failed]) == (0, ["json_broken"])
        await world.send(Sent("a", 3))
        await world.taken(3)
    assert await world.effects() == {"a": [2, 3]}
    assert await world.dead_letters() == [refused]


async def test_what_was_refused_is_handled_once_it_can_be_while_its_key_stands_still(
    world: World,
) -> None:
    """As after an upgrade that knows its form; what waits behind another waits on."""
    broken = Sent("a", 2, body=b"{", id="broken")
    await world.send(Sent("a", 1, "fail"), broken, Sent("a", 2), Sent("a", 3))
    async with world.running():
        await world.taken(4)
        _, refused, second, _ = [one["id"] for one in await world.dead_letters()]
        await world.admin.execute(
            "update dead_letter set sealed = (select sealed from dead_letter where id = $1)"
            " where id = $2",
            second,
            refused,
        )
        result = await Redrive(world.service, world.tools()).run([refused])
        assert (result.handled, list(result.failed)) == (1, [])
    assert await world.effects() == {"a": [2]}
    assert await world.outcomes() == {"accepted": 1, "dead_letter": 1, "parked": 2}


async def test_what_a_redrive_that_failed_had_said_is_not_said(world: World) -> None:
    await world.send(Sent("a", 1, "fail_late"))
    async with world.running():
        await world.taken(1)
        (letter,) = await world.dead_letters()
        result = await Redrive(world.service, world.tools()).run([letter["id"]])
        assert (result.handled, [one.reason for one in result.failed]) == (0, ["told_to_fail"])
        assert await world.admin.fetchval("select count(*) from outbox") == 0
        world.mended = True
        await world.send(Sent("b", 2))
        await world.settled(2)
    assert (await world.effects(), await world.said()) == ({"b": [2]}, {"b": [2]})


@asynccontextmanager
async def parking(world: World, letter: int) -> AsyncIterator[None]:
    """A batch that has found the key parked, and parks one more message behind it."""
    async with world.admin.acquire() as connection, connection.transaction():
        await connection.execute("select from parked_key for share")
        await connection.execute(
            "insert into dead_letter (topic, partition, record_offset, status, holds_key, type,"
            " key_reference, reason, detail, sealed, taken_at)"
            " select topic, partition, record_offset, 'parked', false, type, key_reference,"
            " 'parked', '', sealed, taken_at from dead_letter where id = $1",
            letter,
        )
        yield


class AnyPlan:
    number = 1
    digest = "00"

    async def hold(self, _: Connection) -> None: ...


async def test_a_key_stays_parked_where_one_more_waits_as_its_head_is_discarded(
    world: World,
) -> None:
    """Else what comes after that would overtake it."""
    await world.send(Sent("a", 1, "fail"))
    async with world.running():
        await world.taken(1)
        (letter,) = await world.dead_letters()

        async def somebody_waits() -> bool:
            query = "select exists (select from pg_stat_activity where wait_event_type = 'Lock')"
            return bool(await world.admin.fetchval(query))

        async with parking(world, letter["id"]):
            by = Discarder(SCHEMA, "cli:operator", AnyPlan())
            discarding = asyncio.create_task(discard_dead_letters(world.pool, [letter["id"]], by))
            await until(somebody_waits)
        assert await discarding == 1
        await world.send(Sent("a", 2))
        await world.taken(2)
    assert await world.effects() == {}
    assert [one["status"] for one in await world.dead_letters()] == ["parked", "parked"]
