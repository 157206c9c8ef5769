"""Who asks where logs end is told when the service has read up to there, or has not."""

from __future__ import annotations

from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.messaging import store
from shared.messaging.hearing import ANOTHER_LOG, groups_of, log_ends, passed_on
from shared.messaging.places import in_no_log
from shared.messaging.told import LOOK_EVERY_S
from shared.runtime.cluster import Cluster
from shared.runtime.log_ends import has_read
from tests.conftest import TopicFactory
from tests.support.clusters import KafkaCluster, Sent
from tests.support.messaging import World, until

GROUP = f"tests-{uuid4().hex[:8]}"


@pytest.fixture
def cluster(kafka: str, topic_factory: TopicFactory) -> KafkaCluster:
    """The substitute is asked by nobody where its logs end."""
    return KafkaCluster(kafka, topic_factory)


async def ends(world: World, within_s: float = 0.0) -> dict[int, int]:
    """Of the topic that the service reads; it has four partitions."""
    servers = world.service.settings.kafka_bootstrap_servers
    partitions = [(world.inbound, number) for number in range(4)]
    found = await log_ends(world.pool, Cluster(servers), partitions, within_s=within_s)
    return found[world.inbound]


async def positions(world: World) -> dict[int, int]:
    rows = await world.admin.fetch(
        "select partition, next_offset from position where topic = $1", world.inbound
    )
    return {row["partition"]: row["next_offset"] for row in rows}


async def test_it_waits_until_what_was_said_before_is_read(world: World) -> None:
    await world.send(*(Sent(f"key-{n}", n, partition=n % 2) for n in range(10)))
    async with world.running():
        read = await ends(world, within_s=30)
        assert read == {0: 5, 1: 5, 2: 0, 3: 0}
        assert await positions(world) == read


async def test_it_does_not_wait_for_ever_for_a_service_that_does_not_read(
    world: World,
) -> None:
    await world.send(Sent("key", 1, partition=0))
    assert await ends(world) == {0: 1, 1: 0, 2: 0, 3: 0}
    assert await positions(world) == {}


async def test_a_log_that_ends_before_the_position_is_another_and_never_heard(
    world: World,
) -> None:
    await world.send(Sent("key", 1, partition=0))
    await world.admin.execute("insert into position values ($1, 0, 7)", world.inbound)
    assert await ends(world) == {0: ANOTHER_LOG, 1: 0, 2: 0, 3: 0}


async def test_of_a_log_that_is_known_to_be_another_nothing_is_heard_be_it_empty(
    world: World,
) -> None:
    await world.admin.execute(
        "insert into position values ($1, 0, $2)", world.inbound, in_no_log(7)
    )
    found = await ends(world)
    assert found == {0: 0, 1: 0, 2: 0, 3: 0}
    async with world.pool.acquire() as connection:
        assert not await has_read(connection, {world.inbound: {0: 0}})


async def test_what_is_not_committed_is_not_said_yet(world: World, cluster: KafkaCluster) -> None:
    await world.send(Sent("key", 1, partition=0))
    async with cluster.transaction(world.inbound, [Sent("key", 2, partition=0)]):
        assert (await ends(world))[0] == 1

    async def ends_behind_its_marker() -> bool:
        return (await ends(world))[0] == 3

    # Kafka writes it after it has said that the transaction is committed.
    await until(ends_behind_its_marker)


async def test_without_kafka_nobody_knows(world: World) -> None:
    with pytest.raises(ConnectionError, match="nobody knows"):
        await log_ends(world.pool, Cluster("127.0.0.1:1"), [(world.inbound, 0)])
    with pytest.raises(ConnectionError, match="nobody knows"):
        await passed_on(Cluster("127.0.0.1:1"), {"group": [(world.inbound, 0)]})


async def passed(world: World, within_s: float = 0.0) -> bool:
    """As another service asks, that has no way into this one's database."""
    servers = world.service.settings.kafka_bootstrap_servers
    partitions = [(world.inbound, number) for number in range(4)]
    return await passed_on(Cluster(servers), {GROUP: partitions}, within_s=within_s)


async def test_another_service_is_waited_for_until_it_has_said_what_comes_of_all(
    world: World,
) -> None:
    await world.send(*(Sent(f"key-{n}", n, partition=n % 2) for n in range(10)))
    async with world.running(group=GROUP):
        assert await passed(world, within_s=30)
        assert len(await world.cluster.read(world.facts)) == 10


async def test_what_is_read_is_not_passed_on_while_a_fact_is_in_the_outbox(world: World) -> None:
    await world.send(Sent("key", 1, partition=0))
    async with world.pool.acquire() as holder:
        for lane in store.LANES:
            assert await store.take_lane(holder, lane)
        async with world.running(group=GROUP):
            await world.taken(1)
            assert not await passed(world, within_s=3 * LOOK_EVERY_S)
        await holder.execute("select pg_advisory_unlock_all()")
    async with world.running(group=GROUP):
        assert await passed(world, within_s=30)


async def test_what_nobody_has_read_is_not_passed_on_and_of_nothing_all_is(world: World) -> None:
    assert await passed(world)
    await world.send(Sent("key", 1, partition=0))
    assert not await passed(world)


async def test_who_was_further_than_the_log_has_read_another_one(world: World) -> None:
    await world.send(Sent("key", 1, partition=0))
    servers = world.service.settings.kafka_bootstrap_servers
    place = TopicPartition(world.inbound, 0)
    async with AIOKafkaConsumer(bootstrap_servers=servers, group_id=GROUP) as before:
        before.assign([place])
        await before.commit({place: 7})
    assert not await passed(world)


def test_a_service_reads_in_the_groups_in_which_its_processes_do() -> None:
    assert groups_of("consent", "inbound.contacts", "registration") == {
        "steward.consent.urgent": [("inbound.contacts", number) for number in range(8)],
        "steward.consent": [("registration", number) for number in range(8)],
    }
    assert list(groups_of("registration", "inbound.registrations")) == ["steward.registration"]
