"""What is said again is seen to Kafka before anybody may go on behind a gap."""

from __future__ import annotations

from shared.messaging.republishing import SaidAgain, published
from tests.support.clusters import Sent
from tests.support.messaging import World


async def test_it_waits_until_kafka_has_what_was_said(world: World) -> None:
    await world.send(*(Sent(f"key-{n}", n) for n in range(20)))
    async with world.running():
        await world.taken(20)
        assert await published(world.pool, world.facts) == 0
        assert sum(map(len, (await world.said()).values())) == 20


async def test_where_nobody_publishes_it_tells_how_much_waits(world: World) -> None:
    await world.admin.execute(
        "insert into outbox (topic, key, headers, value, said_at)"
        " select $1, 'k', '{}', '{}', now() from generate_series(1, 3)",
        world.facts,
    )
    assert await published(world.pool, world.facts, stands_for_s=0.05) == 3
    assert await published(world.pool, "another topic", stands_for_s=0.05) == 0


def test_who_may_not_go_on_yet_is_told_so() -> None:
    assert "no partition that stands still may go on" in SaidAgain(5, 2).told
    assert SaidAgain(5, 0).told == "5 facts are said again, and Kafka has them."
