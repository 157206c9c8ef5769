"""Where to read on is found also while another process is still at work there."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from shared.messaging import store
from shared.messaging.finding import PositionFinder
from shared.messaging.places import Partition
from shared.messaging.transport import Bounds
from tests.support.clusters import MemoryCluster
from tests.support.messaging import World
from tests.support.reading import StillLog


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


class LeftBehind(StillLog):
    """While it is asked, another process reads on, and what it has read is deleted."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, Bounds]:
        await self._world.admin.execute("update position set next_offset = 10")
        return {partition: Bounds(10, 20) for partition in partitions}


async def test_what_is_deleted_as_it_is_read_by_another_process_is_no_gap(world: World) -> None:
    partition = (world.inbound, 0)
    async with world.pool.acquire() as connection:
        await store.begin_positions(connection, {partition: 5})
    found = await PositionFinder(world.pool, 5.0).find(LeftBehind(world), [partition])
    assert found == {partition: (10, Bounds(10, 20))}
