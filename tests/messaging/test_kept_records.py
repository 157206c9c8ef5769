"""Records that are kept whole, until they can be handled or are given up."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.kept_records import KeptRecord, pack, unpack
from shared.messaging.places import place_of
from shared.messaging.redrive import Redrive
from tests.support.clusters import PARTITIONS, MemoryCluster, Sent
from tests.support.messaging import World

bodies = st.none() | st.binary(max_size=50)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
records = st.builds(
    KeptRecord,
    topic=st.just("topic"),
    partition=st.just(3),
    offset=st.just(7),
    timestamp=st.integers(0, 2**53),
    key=bodies,
    value=bodies,
    headers=st.lists(st.tuples(names, bodies), max_size=5).map(tuple),
)


@given(records)
def test_a_record_that_is_kept_comes_back_as_it_was(record: KeptRecord) -> None:
    """A header that is null is not one that is empty."""
    assert unpack(pack(record)) == record


@given(records)
def test_a_record_that_an_earlier_release_kept_without_its_place_comes_back(
    record: KeptRecord,
) -> None:
    content = orjson.loads(pack(record))
    for name in ("topic", "partition", "offset"):
        del content[name]
    assert unpack(orjson.dumps(content), place_of(record)) == record


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster()


async def test_what_failed_before_a_topic_was_made_anew_stops_nothing(
    world: World, cluster: MemoryCluster
) -> None:
    """Two records have one place then."""
    await world.send(Sent("x", 0, partition=0), Sent("a", 1, "fail", partition=0))
    async with world.running():
        await world.taken(2)
    cluster.broker.create_topic(world.inbound, PARTITIONS)
    await world.admin.execute("update position set next_offset = 0")
    await world.send(*(Sent("a", number, partition=0) for number in (2, 3)))
    async with world.running():
        await world.taken(4)
    assert [letter["record_offset"] for letter in await world.dead_letters()] == [0, 1, 1]
    world.mended = True
    head = await world.admin.fetchval("select id from dead_letter where status = 'dead'")
    assert (await Redrive(world.service, world.tools()).run([head])).handled == 3
    assert await world.effects() == {"x": [0], "a": [1, 2, 3]}, "in the order in which they came"
