"""Sending to Kafka through aiokafka's producer, in batches of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared.messaging.partitioning import partition_of_key
from shared.messaging.store import OutboxRow

STOP_S: Final = 2.0
"""So long a producer may take to deliver what it holds when it is stopped."""


class Sender:
    """Builds the batches of each partition itself: few deliveries to wait for, not one per fact."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(self, rows: Sequence[OutboxRow]) -> list[Awaitable[object]]:
        """See `Producer`."""
        updating = self._producer.client._sync_task  # noqa: SLF001 - no public way
        if updating is None or updating.done():
            raise KafkaConnectionError  # it would never hear of another leader
        batches: list[_Batch] = []
        deliveries: list[Awaitable[object]] = []
        try:
            partitions = {
                topic: len(await self._producer.partitions_for(topic))
                for topic in {row.topic for row in rows}
            }
            filling: dict[TopicPartition, _Batch] = {}
            for row in rows:
                number = partition_of_key(row.key, partitions[row.topic])
                place = TopicPartition(row.topic, number)
                batch = filling.get(place)
                if batch is None or not batch.append(row):
                    batch = filling[place] = _Batch(self._producer, place)
                    batch.append(row)
                    batches.append(batch)
                deliveries.append(batch.delivery)
            for batch in batches:
                await batch.submit(self._producer)
        except KafkaError as error:
            for batch in batches:
                batch.fail(error)
            if not deliveries:
                raise
        return deliveries

    async def stop(self) -> None:
        """What was not delivered by now may still be, or not: who sends again must expect both."""
        let_it_close(self._producer.client)
        stopping = asyncio.create_task(self._producer.stop())
        try:
            await asyncio.wait((stopping,), timeout=STOP_S)
        finally:
            if not stopping.done():
                # `stop` waits for deliveries, for ever when the broker is away, unless this ends.
                self._producer._sender.sender_task.cancel()  # noqa: SLF001 - no public way
            await stopping


class _Batch:
    """Records of one partition that go together. `delivery` is done when the broker has them."""

    def __init__(self, producer: AIOKafkaProducer, place: TopicPartition) -> None:
        self._builder = producer.create_batch()
        self._place = place
        self._submitted = False
        self.delivery: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def append(self, row: OutboxRow) -> bool:
        """Whether there was room for it; there is for the first."""
        headers, key, value = row.headers, row.key, row.value
        added = self._builder.append(timestamp=None, key=key, value=value, headers=headers)
        return added is not None

    async def submit(self, producer: AIOKafkaProducer) -> None:
        """Put it in line behind earlier ones of its partition."""
        topic, number = self._place
        sent = await producer.send_batch(self._builder, topic, partition=number)
        self._submitted = True
        sent.add_done_callback(self._end)

    def fail(self, error: KafkaError) -> None:
        """It was not put in line, and will not be."""
        if not self._submitted and not self.delivery.done():
            self.delivery.set_exception(error)

    def _end(self, sent: asyncio.Future[object]) -> None:
        if self.delivery.done():
            return
        error = asyncio.CancelledError() if sent.cancelled() else sent.exception()
        if error is None:
            self.delivery.set_result(None)
        else:
            self.delivery.set_exception(error)


def let_it_close(client: AIOKafkaClient) -> None:
    """Closing waits for what keeps a client up to date, and raises what that ended by before any
    connection is closed. It also waits for those who wait to be told of brokers: nobody tells them.
    """
    updating = client._sync_task  # noqa: SLF001 - no public way
    if updating is not None and updating.done():
        if not updating.cancelled():
            updating.exception()  # taken note of: asyncio need not complain of it
        client._sync_task = None  # noqa: SLF001 - as above
        told = client._md_update_fut  # noqa: SLF001 - as above
        if told is not None and not told.done():
            told.set_result(False)
