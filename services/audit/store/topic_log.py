"""The topic of checkpoints, read wholly by whoever verifies the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiokafka import TopicPartition

from shared.contract.audit import CHECKPOINTS, CheckpointPublished
from shared.contract.codec import decode
from shared.contract.message import Message
from shared.messaging.offsets import ANSWER_S, bounds_of, open_reader

AT_ONCE: Final = 500
_PLACE: Final = (CHECKPOINTS, 0)


class TopicLog:
    """Checkpoints as they were announced, up to the end that the topic had at the beginning."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._end = 0

    async def begin(self) -> bool:
        """Note where the topic ends now. False where its beginning was removed.

        Raises aiokafka's KafkaError and TimeoutError when no broker answers.
        """
        async with open_reader(self._bootstrap_servers) as reader:
            bounds = (await bounds_of(reader, [_PLACE]))[_PLACE]
        self._end = bounds.end
        return bounds.start == 0

    async def checkpoints(self) -> AsyncIterator[list[tuple[int, bytes]]]:
        """Sizes and signed checkpoints, in order, some hundreds at a time. Raises as `begin`."""
        if self._end == 0:
            return
        partition = TopicPartition(*_PLACE)
        async with open_reader(self._bootstrap_servers) as reader:
            reader.assign([partition])
            await reader.seek_to_beginning(partition)
            at = 0
            while at < self._end:
                async with asyncio.timeout(ANSWER_S):
                    polled = await reader.getmany(
                        partition, timeout_ms=int(ANSWER_S * 500), max_records=AT_ONCE
                    )
                part = []
                for record in polled.get(partition, []):
                    at = record.offset + 1
                    message = decode(record)
                    if isinstance(message, Message) and isinstance(
                        message.data, CheckpointPublished
                    ):
                        part.append((message.data.size, message.data.checkpoint.encode()))
                at = max(at, await reader.position(partition))
                if part:
                    yield part
