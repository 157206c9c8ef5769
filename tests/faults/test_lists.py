"""No list has anybody who said no before it was asked for, however late services are."""

from __future__ import annotations

import csv

import pytest

from services.consent.handlers import heard
from services.consent.settings import Settings
from services.registration.commands.counter import NotDeliveredError
from services.registration.handlers import delivering
from services.registration.handlers.delivering import ends_of_what_decides
from shared.runtime.cluster import Cluster
from shared.runtime.database import Pool, open_pool
from shared.runtime.log_ends import LogEnds
from tests.faults.load import GUESTS
from tests.faults.world import Options, World, open_world

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


SOON_S = 3.0
"""Enough for services that run, so that others are behind for no other reason."""


async def soon(pool: Pool, cluster: Cluster, _: float) -> LogEnds:
    """As a command asks that has less time."""
    return await ends_of_what_decides(pool, cluster, SOON_S)


async def people_on_the_list(world: World) -> int:
    """Of the list that is handed over now."""
    await world.hand_over()
    with world.dinner_list.open(newline="") as lines:
        return len(list(csv.reader(lines))) - 1


async def all_may_be_heard(world: World) -> bool:
    """Whether whoever is about to write to somebody is answered by all that was said."""
    settings = Settings.load(world.ground.environ)
    pool = await open_pool(settings, service="consent")
    try:
        return await heard.ends_of_what_decides(pool, settings.cluster, SOON_S) is not None
    finally:
        await pool.close()


async def test_a_list_is_without_whoever_said_no_before_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_world(Options(seed=20)) as world:
        guests = iter(world.load.guests)
        assert await people_on_the_list(world) == GUESTS
        await world.send([world.load.withdrawal(next(guests))])
        assert await people_on_the_list(world) == GUESTS - 1
        await world.send([world.load.no_elsewhere(next(guests))])
        assert await people_on_the_list(world) == GUESTS - 2
        for left, late in enumerate(("consent-urgent", "consent", "registration"), 3):
            (replica,) = world.replicas[late]
            await world.remove_replica(replica)
            say_no = world.load.withdrawal if late == "consent-urgent" else world.load.no_elsewhere
            await world.send([say_no(next(guests))])
            with monkeypatch.context() as hurry:
                hurry.setattr(delivering, "ends_of_what_decides", soon)
                with pytest.raises(NotDeliveredError, match="Nothing was disclosed"):
                    await people_on_the_list(world)
                assert await all_may_be_heard(world) == (late != "registration")
            world.add_replica(late)
            await world.recovered()
            assert await people_on_the_list(world) == GUESTS - left
