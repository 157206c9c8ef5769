"""What a redrive leaves behind where it fails. What was refused before a handler saw it is redriven
by itself: it holds nothing up, and nothing holds it.
"""

from __future__ import annotations

from shared.messaging.redrive import Redrive
from tests.support.clusters import Sent
from tests.support.messaging import World


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
