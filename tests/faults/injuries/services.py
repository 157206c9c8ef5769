"""A service's process dies, is stopped for a while, or gets company."""

from __future__ import annotations

import asyncio
import signal
from random import Random
from typing import get_args

from services.cli.processes import NAMES
from shared.messaging.steps import Step
from tests.faults.life import Death
from tests.faults.registry import injury
from tests.faults.replicas import Replica
from tests.faults.world import World

STEPS: tuple[Step, ...] = get_args(Step)
TAKING: tuple[Step, ...] = ("taken", "claimed", "handled", "committed", "offset_committed")
"""Steps of a process that publishes nothing."""

SILENT = frozenset({"retention", "consent-urgent"})
"""Nothing of a load comes due; and what is said by who hears what is urgent, another process of the
service publishes.
"""

LONG = 1_000
"""So many deaths come to each step of each process."""

LIVES_AT_MOST_S = 6.0
"""Until a random moment."""

COMES_WITHIN_S = 12.0
"""To its step: the group notices that the one before is dead, and there is something to do."""


@injury("service-dies", long=LONG, short=16, recovers_within_s=None)
async def service_dies(world: World, times: int) -> None:
    """`kill -9` of every service, at random moments and at each named step.

    All services at once, and each again as soon as it lives. A step is passed only where there is
    something to do: a life that does not come to its step in time is killed. Those that came to
    theirs are counted, of each process and step; none is left out in the long form.
    """
    came = world.deaths_at_steps
    came.update({(name, step): 0 for name in NAMES for step in _steps_of(name)})
    left = iter(range(times))
    async with asyncio.TaskGroup() as tasks:
        for name in NAMES:
            (replica,) = world.replicas[name]
            random = Random(world.random.random())  # noqa: S311 - repeatable on purpose
            tasks.create_task(_keep_killing(world, replica, random, left))
    assert came.total(), "no life came to the step at which it was to end"
    missed = [f"{name} at {step}" for (name, step), many in came.items() if not many]
    assert times < LONG or not missed, f"no life ended there: {missed}"
    await world.recovered()
    for replica in world.all_replicas():
        world.recovered_s = max(world.recovered_s, replica.longest_recovery_s)


def _steps_of(process: str) -> tuple[Step, ...]:
    return TAKING if process in SILENT else STEPS


async def _keep_killing(world: World, replica: Replica, random: Random, left: object) -> None:
    steps = _steps_of(replica.name)

    def next_death() -> Death | None:
        death = random.choice([*(Death(step, random.randint(1, 3)) for step in steps), None])
        world.note(f"{replica.name} lives until {death or 'a moment'}")
        return death

    replica.next_death = next_death
    while next(left, None) is not None:  # type: ignore[call-overload]
        life = replica.present
        while life is None:
            await asyncio.sleep(0)
            life = replica.present
        moment = random.uniform(0.1, LIVES_AT_MOST_S)
        try:
            await asyncio.wait_for(life.ended.wait(), COMES_WITHIN_S if life.death else moment)
            if life.death is not None and life.ended_as_wanted:
                world.deaths_at_steps[replica.name, life.death.step] += 1
        except TimeoutError:
            life.kill(signal.SIGKILL)
            await life.ended.wait()
    replica.next_death = lambda: None
    life = replica.present
    if life is not None:
        life.kill(signal.SIGKILL)
        await life.ended.wait()
