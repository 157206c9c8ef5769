"""A batch is judged and handled under one plan: the one that is in force when it is committed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from shared.contract.message import Fault, Message
from shared.messaging.redrive import Redrive
from shared.runtime.database import Connection
from tests.support.clusters import Sent
from tests.support.messaging import World

REFUSED = Fault("source_unknown", "the plan of long ago did not have the source")


@dataclass
class BehindTheTimes:
    """Thinks that a plan is in force that is not, until it asks; the first answers do not come."""

    unanswered: int = 0
    number: int = 0
    digest: str = "00"

    async def hold(self, connection: Connection) -> None:
        if self.unanswered:
            self.unanswered -= 1
            raise ConnectionError
        self.number = await connection.fetchval("select hold_plan()")

    def admit(self, _: Message[Any]) -> Fault | None:
        return REFUSED if self.number == 0 else None


def under(world: World, plan: BehindTheTimes) -> None:
    subscriptions = [replace(one, admit=plan.admit) for one in world.service.subscriptions]
    world.service = replace(world.service, subscriptions=subscriptions, plan=plan)


async def test_what_was_judged_under_a_former_plan_is_judged_again_before_anything_is_done(
    world: World,
) -> None:
    under(world, plan := BehindTheTimes(unanswered=1))
    await world.send(*(Sent(f"key-{number % 3}", number) for number in range(9)))
    async with world.running():
        await world.settled(9)
    assert plan.number == 1
    assert await world.outcomes() == {"accepted": 9}
    assert await world.effects() == {f"key-{n}": [n, n + 3, n + 6] for n in range(3)}


async def test_a_redrive_judges_under_the_plan_in_force(world: World) -> None:
    await world.send(Sent("key", 1, do="fail"))
    async with world.running():
        await world.taken(1)
    under(world, BehindTheTimes())
    world.mended = True
    (letter,) = await world.dead_letters()
    redriven = await Redrive(world.service, world.tools()).run([letter["id"]])
    assert (redriven.handled, list(redriven.failed)) == (1, [])
