"""What Kafka's client does by itself, and must not do to a service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher

from tests.conftest import SettingsFactory, TopicFactory
from tests.support.clusters import KafkaCluster, Sent
from tests.support.messaging import SCHEMA, World, open_world


@pytest.fixture
async def on_kafka(
    kafka: str, topic_factory: TopicFactory, database: str, service_settings: SettingsFactory
) -> AsyncIterator[World]:
    cluster = KafkaCluster(kafka, topic_factory)
    async with open_world(cluster, database, service_settings(SCHEMA)) as opened:
        yield opened


async def test_a_client_that_stops_fetching_by_itself_is_replaced(
    on_kafka: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_fetches = Fetcher._get_actions_per_node
    broken: list[object] = []

    def break_once(self: Fetcher, assignment: object) -> Any:  # noqa: ANN401 - aiokafka's own
        if not broken and on_kafka.calls:
            broken.append(self)
            raise RuntimeError("unable to perform operation on a closed transport")
        return plan_fetches(self, assignment)

    monkeypatch.setattr(Fetcher, "_get_actions_per_node", break_once)
    async with on_kafka.running():
        await on_kafka.send(*(Sent("a", number) for number in range(5)))
        await on_kafka.settled(5)
        await on_kafka.send(*(Sent("a", number) for number in range(5, 10)))
        await on_kafka.settled(10)
    assert broken
    assert await on_kafka.effects() == {"a": list(range(10))}
