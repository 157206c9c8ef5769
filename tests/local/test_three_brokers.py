"""Three brokers lose one and go on."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.local.errors import LocalError
from shared.local.kafka import LocalKafka, missing_from_kafka
from shared.local.supervisor import Supervisor
from shared.runtime.cluster import Cluster
from shared.runtime.topics import TopicError, create_topics

pytestmark = pytest.mark.system


@dataclass(frozen=True)
class Topic:
    name: str
    partitions: int = 3
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Description:
    """Of a topic: in how many replicas each partition is, how many of them are in step, and how
    many a write waits for.
    """

    replicas: set[int]
    in_sync: set[int]
    needed: str


async def describe(servers: str) -> dict[str, Description]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        found = await admin.describe_topics()
        resources = [ConfigResource(ConfigResourceType.TOPIC, one["topic"]) for one in found]
        answers = await admin.describe_configs(resources)
    finally:
        await admin.close()
    needed = {
        resource[3]: entry[1]
        for answer in answers
        for resource in answer.resources
        for entry in resource[4]
        if entry[0] == "min.insync.replicas"
    }
    return {
        one["topic"]: Description(
            {len(partition["replicas"]) for partition in one["partitions"]},
            {len(partition["isr"]) for partition in one["partitions"]},
            needed[one["topic"]],
        )
        for one in found
    }


async def until_described(servers: str, wanted: Mapping[str, Description]) -> None:
    """Wait until the topics are as wanted; AssertionError with what they are instead."""
    found: Mapping[str, Description] = {}
    try:
        async with asyncio.timeout(60):
            while True:
                found = await describe(servers)
                if found == wanted:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(found) from None


async def read(servers: str, topic: str, count: int, group: str) -> set[bytes]:
    """So many messages, through a consumer group: its coordinator and offsets are needed too."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=servers, group_id=group, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        records = [await consumer.getone() for _ in range(count)]
        await consumer.commit()
    finally:
        await consumer.stop()
    return {record.value for record in records if record.value is not None}


async def send(servers: str, topic: str, values: set[bytes]) -> None:
    """Acknowledged by as many replicas as the topic asks for, to all partitions."""
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        sent = [await producer.send(topic, value) for value in values]
        await asyncio.gather(*sent)


@asynccontextmanager
async def running(folder: Path, kafka: LocalKafka) -> AsyncIterator[Supervisor]:
    """All brokers, killed with -9 at the end."""
    async with Supervisor(folder / "run", folder / "logs") as supervisor:
        brokers = await kafka.prepare()
        await supervisor.start(*(replace(one, stop_signal=signal.SIGKILL) for one in brokers))
        yield supervisor


async def test_one_of_three_dies_the_others_go_on_and_it_returns(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path / "kafka", brokers=3)
    async with running(tmp_path, kafka) as supervisor:
        servers = kafka.bootstrap_servers
        await create_topics(Cluster(servers), [Topic("facts")])
        await send(servers, "facts", {b"before"})
        assert await read(servers, "facts", 1, "before") == {b"before"}

        killed = supervisor.pid("kafka-1")
        os.kill(killed, signal.SIGKILL)
        without = {b"%d" % number for number in range(20)}
        await send(servers, "facts", without)
        assert await read(servers, "facts", 21, "while one is away") == {b"before"} | without

        everything = ("facts", "__consumer_offsets")
        await until_described(servers, dict.fromkeys(everything, Description({3}, {3}, "2")))
        assert supervisor.pid("kafka-1") != killed

    # The same data, without being told how many brokers it is of.
    again = LocalKafka(tmp_path / "kafka")
    async with running(tmp_path, again):
        assert len(again.bootstrap_servers.split(",")) == 3
        kept = await read(again.bootstrap_servers, "facts", 21, "after a new start")
        assert kept == {b"before"} | without


async def test_data_of_another_number_of_brokers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(LocalError, match=r"is of 1 broker, and 3 were asked for.*--brokers"):
        await LocalKafka(tmp_path, brokers=3).prepare()


async def test_three_brokers_whose_data_is_lost_are_three_again(tmp_path: Path) -> None:
    """One would have one replica of each topic, and could not become three any more."""
    await LocalKafka(tmp_path, brokers=3).prepare()
    for name in ("kafka-1", "kafka-2", "kafka-3"):
        shutil.rmtree(tmp_path / name / "data")
    again = LocalKafka(tmp_path)
    assert [one.name for one in await again.prepare()] == ["kafka-1", "kafka-2", "kafka-3"]
    assert again.replicas == 3


async def test_three_brokers_are_three_without_the_folder_of_the_last(tmp_path: Path) -> None:
    await LocalKafka(tmp_path, brokers=3).prepare()
    shutil.rmtree(tmp_path / "kafka-3")
    again = LocalKafka(tmp_path)
    assert [one.name for one in await again.prepare()] == ["kafka-1", "kafka-2", "kafka-3"]


async def test_a_first_start_that_is_broken_off_leaves_no_fewer_brokers(tmp_path: Path) -> None:
    obstacle = tmp_path / "kafka-2"
    obstacle.touch()
    with pytest.raises(FileExistsError):
        await LocalKafka(tmp_path, brokers=3).processes(())
    obstacle.unlink()
    with pytest.raises(LocalError, match="is of 3 brokers, and 5 were asked for"):
        await LocalKafka(tmp_path, brokers=5).prepare()


async def test_a_kafka_answers_as_long_as_one_address_does(kafka: str) -> None:
    assert await missing_from_kafka(Cluster(f"127.0.0.1:1,{kafka}")) is None
    assert await missing_from_kafka(Cluster(kafka), node=7) == "the broker is still fenced"


async def test_fewer_replicas_than_asked_for_are_told_with_what_to_do(kafka: str) -> None:
    await create_topics(Cluster(kafka), [Topic("one-replica")])
    with pytest.raises(TopicError, match=r"has 1 replicas and should have 2.*REPLICATION_FACTOR"):
        await create_topics(Cluster(kafka), [Topic("one-replica")], replication_factor=2)
