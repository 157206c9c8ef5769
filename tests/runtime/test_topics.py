"""Topics are made, and kept, as they are specified."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.runtime.cluster import Cluster
from shared.runtime.topics import TopicError, create_topics

DYNAMIC = 1


@dataclass(frozen=True)
class Topic:
    name: str = field(default_factory=lambda: f"topic-{uuid.uuid4().hex[:12]}")
    partitions: int = 2
    settings: Mapping[str, str] = field(default_factory=lambda: {"retention.ms": "60000"})


async def settings_of(kafka: str, topic: str) -> dict[str, str]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await client.start()
    try:
        answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await client.close()
    entries = answers[0].resources[0][4]
    return {entry[0]: entry[1] for entry in entries if entry[3] == DYNAMIC}


async def test_making_topics_twice_makes_them_once(kafka: str) -> None:
    topics = [Topic(), Topic(settings={})]
    assert await create_topics(Cluster(kafka), topics) == tuple(topic.name for topic in topics)
    assert await create_topics(Cluster(kafka), topics) == ()
    assert await settings_of(kafka, topics[0].name) == {"retention.ms": "60000"}


async def test_settings_that_differ_are_made_what_they_should_be(kafka: str) -> None:
    topic = Topic()
    await create_topics(Cluster(kafka), [topic])
    changed = replace(topic, settings={"max.message.bytes": "1000"})
    assert await create_topics(Cluster(kafka), [changed]) == ()
    # What was set before and is no longer wanted is gone too.
    assert await settings_of(kafka, topic.name) == {"max.message.bytes": "1000"}


async def test_a_topic_with_too_few_partitions_is_told_and_left_alone(kafka: str) -> None:
    topic = Topic()
    await create_topics(Cluster(kafka), [topic])
    with pytest.raises(TopicError, match=f"{topic.name} has 2 partitions and needs 3"):
        await create_topics(Cluster(kafka), [replace(topic, partitions=3)])


async def test_a_topic_with_more_partitions_is_taken_as_it_is(kafka: str) -> None:
    topic = Topic()
    await create_topics(Cluster(kafka), [topic])
    assert await create_topics(Cluster(kafka), [replace(topic, partitions=1)]) == ()


async def test_what_the_brokers_refuse_is_told_by_topic(kafka: str) -> None:
    topic = Topic(settings={"no.such.setting": "1"})
    with pytest.raises(TopicError, match=f"{topic.name}: InvalidConfig"):
        await create_topics(Cluster(kafka), [topic])
