"""What the topic of checkpoints has."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka import TopicPartition

from shared.contract.audit import CHECKPOINTS, CheckpointPublished
from shared.contract.codec import decode
from shared.contract.message import Message
from shared.messaging.offsets import ANSWER_S, bounds_of, open_reader
from shared.runtime.cluster import Cluster

LAST: Final = 1_000
"""Records at the topic's end among which the newest checkpoint is looked for: what is sent again
after a failure can stand behind it."""


async def last_checkpoints(cluster: Cluster) -> list[bytes]:
    """Signed checkpoints at the end of the topic, of whatever log, in order.

    Raises aiokafka's KafkaError and TimeoutError when no broker answers.
    """
    place = (CHECKPOINTS, 0)
    async with open_reader(cluster) as reader:
        bounds = (await bounds_of(reader, [place]))[place]
        begin = max(bounds.start, bounds.end - LAST)
        reader.assign([TopicPartition(*place)])
        reader.seek(TopicPartition(*place), begin)
        notes: list[bytes] = []
        while begin < bounds.end:
            async with asyncio.timeout(ANSWER_S):
                record = await reader.getone()
            begin = record.offset + 1
            message = decode(record)
            if isinstance(message, Message) and isinstance(message.data, CheckpointPublished):
                notes.append(message.data.checkpoint.encode())
        return notes
