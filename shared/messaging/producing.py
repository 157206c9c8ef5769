"""A producer for commands, which come to their end also where Kafka falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from shared.messaging.kafka_sender import Sender
from shared.messaging.offsets import SILENT_S
from shared.runtime.cluster import Cluster

REQUEST_MS = 20_000
"""So long the broker may take for one request, and the end of the producer twice that."""

BATCH_BYTES = 256 * 1024
"""In a batch of a partition. Who sends more before any of it is acknowledged may find no room, and
is refused after `REQUEST_MS`.
"""


@asynccontextmanager
async def open_producer(cluster: Cluster) -> AsyncIterator[AIOKafkaProducer]:
    """It sends in order, and what it sends is acknowledged by all in-sync replicas.

    Raises aiokafka's KafkaError when the broker cannot be reached.
    """
    producer = AIOKafkaProducer(
        **cluster.client_options(),
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        request_timeout_ms=REQUEST_MS,
        max_batch_size=BATCH_BYTES,
    )
    try:
        await producer.start()
        yield producer
    finally:
        # By itself it waits for what was not acknowledged, for ever where the broker is away.
        await Sender(producer).stop()


async def acknowledged(deliveries: Collection[asyncio.Future[object]]) -> None:
    """Wait until the broker has all of it: the producer itself tries for ever.

    Raises KafkaError, KafkaTimeoutError where nothing at all is acknowledged for `SILENT_S`.
    """
    left = set(deliveries)
    while left:
        done, left = await asyncio.wait(left, timeout=SILENT_S)
        if not done:
            raise KafkaTimeoutError
    for result in await asyncio.gather(*deliveries, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result if isinstance(result, KafkaError) else KafkaError(type(result).__name__)
