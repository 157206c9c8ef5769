"""Kafka and PostgreSQL as containers, of the images that `docker-compose.yml` has."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Final, cast

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from testcontainers.core.container import DockerContainer

from shared.local.ports import choose_port

KAFKA_IMAGE: Final = "apache/kafka:4.4.0"
POSTGRES_IMAGE: Final = "postgres:18"
READY_WITHIN_S: Final = 120

_ALONE: Final = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_LISTENERS": "INTERNAL://localhost:9092,EXTERNAL://:9094,CONTROLLER://localhost:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": (
        "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
    ),
    # The broker asks itself about transactions, and cannot reach the port that clients use.
    "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
}


class ContainerStack:
    """Starts each server when it is first asked for; `stop` removes them and their data."""

    def __init__(self) -> None:
        self._containers = ExitStack()

    def kafka(self) -> str:
        """Bootstrap servers of a broker; its port is chosen first, since it tells it to clients."""
        port = choose_port(None, option="KAFKA_BOOTSTRAP_SERVERS")
        address = f"127.0.0.1:{port}"
        container = DockerContainer(KAFKA_IMAGE).with_envs(
            **_ALONE,
            KAFKA_ADVERTISED_LISTENERS=f"INTERNAL://localhost:9092,EXTERNAL://{address}",
        )
        self._start(container, inside=9094, outside=port)
        asyncio.run(_until_ready(lambda: _ask_kafka(address)))
        return address

    def postgres(self) -> str:
        """The administrator's address of a server with nothing in it."""
        port = choose_port(None, option="DATABASE_URL")
        password = secrets.token_urlsafe()
        container = (
            DockerContainer(POSTGRES_IMAGE)
            .with_envs(POSTGRES_PASSWORD=password, POSTGRES_DB="steward")
            .with_command("postgres -c fsync=off -c max_connections=200")
            # In memory: it makes a database for each test.
            .with_tmpfs_mount("/var/lib/postgresql")
        )
        self._start(container, inside=5432, outside=port)
        address = f"postgresql://postgres:{password}@127.0.0.1:{port}/steward"
        asyncio.run(_until_ready(lambda: _ask_postgres(address)))
        return address

    def stop(self) -> None:
        self._containers.close()

    def _start(self, container: DockerContainer, *, inside: int, outside: int) -> None:
        """Publish a port to this machine alone; testcontainers' own way is to publish it to all."""
        # docker-py takes a pair here; the annotation of testcontainers does not know.
        ports = cast("dict[str, tuple[str, int]]", container.ports)
        ports[f"{inside}/tcp"] = ("127.0.0.1", outside)
        self._containers.enter_context(container)


async def _ask_kafka(address: str) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    try:
        await client.start()
        await client.list_topics()
    finally:
        await client.close()


async def _ask_postgres(address: str) -> None:
    connection = await asyncpg.connect(address, timeout=5)
    await connection.close()


async def _until_ready(ask: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            try:
                return await ask()
            except (OSError, KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.5)
