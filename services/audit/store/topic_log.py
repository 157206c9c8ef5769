"""The topic of checkpoints, read wholly by whoever verifies the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from shared.contract.audit import CHECKPOINTS, TOPIC, CheckpointPublished
from shared.contract.codec import decode
from shared.contract.message import Message, Record
from shared.messaging.offsets import SILENT_S, bounds_of, open_reader
from shared.messaging.places import Partition
from shared.runtime.cluster import Cluster

AT_ONCE: Final = 500
RECORDS_AT_ONCE: Final = 4_000
_PLACE: Final = (CHECKPOINTS, 0)


class TopicLog:
    """Checkpoints as they were announced, up to the end that the topic had at the beginning."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._span = (0, 0)

    async def begin(self) -> bool:
        """Note where the topic ends now. False where its beginning was removed.

        Raises aiokafka's KafkaError and TimeoutError when no broker answers.
        """
        async with open_reader(self._cluster) as reader:
            bounds = (await bounds_of(reader, [_PLACE]))[_PLACE]
        self._span = (bounds.start, bounds.end)
        return bounds.start == 0

    async def checkpoints(self) -> AsyncIterator[list[tuple[int, bytes]]]:
        """Sizes and signed checkpoints, in order, some hundreds at a time. Raises as `begin`."""
        async for records in _read(self._cluster, _PLACE, self._span, AT_ONCE):
            part = []
            for record in records:
                message = decode(record)
                if isinstance(message, Message) and isinstance(message.data, CheckpointPublished):
                    part.append((message.data.size, message.data.checkpoint.encode()))
            if part:
                yield part


async def audit_records(
    cluster: Cluster, begin: int = 0, end: int | None = None
) -> AsyncIterator[list[Record]]:
    """What was said to the log, up to an offset or to the topic's present end, in order.

    Raises as `TopicLog.begin`.
    """
    place = (TOPIC, 0)
    async with open_reader(cluster) as reader:
        bounds = (await bounds_of(reader, [place]))[place]
    last = bounds.end if end is None else min(end, bounds.end)
    first = max(begin, bounds.start)
    async for records in _read(cluster, place, (first, last), RECORDS_AT_ONCE):
        yield records


async def _read(
    cluster: Cluster, place: Partition, span: tuple[int, int], most: int
) -> AsyncIterator[list[Record]]:
    """Everything of a partition from an offset up to another, so many records at a time.

    Raises as `TopicLog.begin`; KafkaTimeoutError where nothing comes for `SILENT_S`: the consumer
    itself tries for ever.
    """
    partition, (at, end) = TopicPartition(*place), span
    async with open_reader(cluster) as reader:
        reader.assign([partition])
        reader.seek(partition, at)
        while at < end:
            polled = await reader.getmany(
                partition, timeout_ms=int(SILENT_S * 1_000), max_records=most
            )
            before, at = at, await reader.position(partition)
            if at == before:
                raise KafkaTimeoutError
            records = [one for one in polled.get(partition, []) if one.offset < end]
            if records:
                yield records
