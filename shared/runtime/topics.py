"""Topics made and kept as they are specified; safe to repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.runtime.cluster import Cluster

_DYNAMIC_TOPIC_CONFIG = 1  # ConfigSource of DescribeConfigs: set on the topic itself
_REQUEST_TIMEOUT_MS = 20_000
_VISIBLE_WITHIN_S = 20
_LOOK_AGAIN_S = 0.05
_MOST_REPLICAS = 3


class TopicLike(Protocol):
    """A topic as it should be."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...
    @property
    def settings(self) -> Mapping[str, str]: ...


class TopicError(Exception):
    """Some topics are not as they should be; the text names them and says what to do."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a topic has: partitions, and replicas of the one that has fewest."""

    partitions: int
    replicas: int


async def create_topics(
    cluster: Cluster, topics: Sequence[TopicLike], *, replication_factor: int | None = None
) -> tuple[str, ...]:
    """Make the topics that are missing, set the settings of those that differ; return the made.

    `replication_factor`: None for one replica on each broker, three at most. A topic of several
    replicas takes a message when all but one of them have it (`min.insync.replicas`).

    Raises `TopicError` when a topic has fewer partitions than it should (adding some would send
    later messages of a key elsewhere and lose their order) or fewer replicas, or the brokers
    refuse, and `KafkaConnectionError` when none answers.
    """
    client = AIOKafkaAdminClient(
        **cluster.client_options(),
        client_id="steward-migrate",
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
    )
    try:
        await client.start()
        replicas = replication_factor or await _usual_replicas(client)
        present = await _shapes(client)
        missing = [topic for topic in topics if topic.name not in present]
        made = await _make(client, missing, replicas)
        present = await _wait_for(client, [topic.name for topic in topics])
        existing = [topic for topic in topics if topic.name not in made]
        await _set_settings(client, existing, present)
        _refuse_fewer(existing, present, replicas)
    finally:
        await client.close()
    return made


async def topics_there(cluster: Cluster, topics: Iterable[TopicLike]) -> frozenset[str]:
    """The names of those of these topics that the brokers have."""
    client = AIOKafkaAdminClient(
        **cluster.client_options(),
        client_id="steward-look",
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
    )
    try:
        await client.start()
        return frozenset(topic.name for topic in topics).intersection(await client.list_topics())
    finally:
        await client.close()


async def _usual_replicas(client: AIOKafkaAdminClient) -> int:
    return min(_MOST_REPLICAS, len((await client.describe_cluster())["brokers"]))


async def _shapes(client: AIOKafkaAdminClient) -> dict[str, _Shape]:
    return {
        topic["topic"]: _Shape(
            len(topic["partitions"]), min(len(one["replicas"]) for one in topic["partitions"])
        )
        for topic in await client.describe_topics()
        if topic["partitions"]
    }


def _settings(topic: TopicLike, replicas: int) -> dict[str, str]:
    """As specified; of several replicas one may be away without a message being refused, and
    without one being lost that was acknowledged.
    """
    in_sync = {"min.insync.replicas": str(replicas - 1)} if replicas > 1 else {}
    return {**topic.settings, **in_sync}


async def _make(
    client: AIOKafkaAdminClient, missing: Sequence[TopicLike], replicas: int
) -> tuple[str, ...]:
    if not missing:
        return ()
    response = await client.create_topics(
        [
            NewTopic(
                name=topic.name,
                num_partitions=topic.partitions,
                replication_factor=replicas,
                topic_configs=_settings(topic, replicas),
            )
            for topic in missing
        ]
    )
    codes = {topic: code for topic, code, *_ in response.topic_errors}
    # There already: another migration was faster, or the brokers' list was behind.
    harmless = (0, TopicAlreadyExistsError.errno)
    _refuse_errors((topic, code) for topic, code in codes.items() if code not in harmless)
    return tuple(topic.name for topic in missing if codes[topic.name] == 0)


async def _wait_for(client: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, _Shape]:
    """The brokers answer before their own list has a new topic; who writes to it needs the list."""
    ends_at = asyncio.get_running_loop().time() + _VISIBLE_WITHIN_S
    while True:
        present = await _shapes(client)
        missing = [name for name in names if name not in present]
        if not missing:
            return present
        if asyncio.get_running_loop().time() > ends_at:
            raise TopicError(f"made, but not to be seen after {_VISIBLE_WITHIN_S} s: {missing}")
        await asyncio.sleep(_LOOK_AGAIN_S)


def _refuse_fewer(
    topics: Sequence[TopicLike], present: Mapping[str, _Shape], replicas: int
) -> None:
    findings = [
        f"{topic.name} has {present[topic.name].partitions} partitions and needs"
        f" {topic.partitions}: adding some would break the order of its keys, so make the topic"
        " anew while it is empty"
        for topic in topics
        if present[topic.name].partitions < topic.partitions
    ]
    findings += [
        f"{topic.name} has {present[topic.name].replicas} replicas and should have {replicas}: give"
        " it more with Kafka's kafka-reassign-partitions, or set STEWARD_REPLICATION_FACTOR to what"
        " it has"
        for topic in topics
        if present[topic.name].replicas < replicas
    ]
    if findings:
        raise TopicError("\n".join(findings))


async def _set_settings(
    client: AIOKafkaAdminClient, topics: Sequence[TopicLike], present: Mapping[str, _Shape]
) -> None:
    """Alter only what differs. The request replaces all settings of a topic, so it carries all."""
    if not topics:
        return
    wanted = {topic.name: _settings(topic, present[topic.name].replicas) for topic in topics}
    found = await client.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs=None) for name in wanted]
    )
    different = []
    for response in found:
        for resource in response.resources:
            _refuse_errors([(resource[3], resource[0])] if resource[0] else [])
            if dict(_own_settings(resource[4])) != wanted[resource[3]]:
                different.append(resource[3])
    if different:
        answers = await client.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, name, configs=wanted[name])
                for name in different
            ]
        )
        _refuse_errors(
            (resource[3], resource[0])
            for answer in answers
            for resource in answer.resources
            if resource[0]
        )


def _own_settings(entries: Sequence[Sequence[object]]) -> Iterator[tuple[str, str]]:
    for name, value, _read_only, source, *_ in entries:
        if source == _DYNAMIC_TOPIC_CONFIG:
            yield str(name), str(value)


def _refuse_errors(errors: Iterable[tuple[str, int]]) -> None:
    findings = [f"{topic}: {for_code(code).__name__}" for topic, code in errors]
    if findings:
        raise TopicError("the brokers refused: " + ", ".join(findings))
