"""Each test of the common suite runs on real Kafka and on the substitute."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import SettingsFactory
from tests.support.clusters import KafkaCluster, MemoryCluster
from tests.support.databases import cloned
from tests.support.messaging import SCHEMA, World, open_world


@pytest.fixture(params=["kafka", "memory"])
def cluster(request: pytest.FixtureRequest) -> KafkaCluster | MemoryCluster:
    if request.param == "memory":
        return MemoryCluster()
    return KafkaCluster(request.getfixturevalue("kafka"), request.getfixturevalue("topic_factory"))


@pytest.fixture(scope="session")
def messaging_database(template_database: str) -> Iterator[str]:
    """One for the session: a new one for each test takes longer than most of the tests."""
    with cloned(template_database) as url:
        yield url


@pytest.fixture
def database(messaging_database: str) -> str:
    """Shared by the tests of this folder; `world` empties what they use."""
    return messaging_database


@pytest.fixture
async def world(
    cluster: KafkaCluster | MemoryCluster, database: str, service_settings: SettingsFactory
) -> AsyncIterator[World]:
    over = {"kafka_bootstrap_servers": "127.0.0.1:1"} if isinstance(cluster, MemoryCluster) else {}
    async with open_world(cluster, database, service_settings(SCHEMA, **over)) as opened:
        yield opened
