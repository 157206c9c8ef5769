"""Reading a whole topic, as it is now."""

from __future__ import annotations

from typing import Any

from aiokafka import TopicPartition

from shared.messaging.offsets import bounds_of, open_reader
from shared.runtime.cluster import Cluster


async def read_topic(servers: str, topic: str, partitions: int) -> list[Any]:
    """Every record from the beginning to the present end, by partition and offset."""
    async with open_reader(Cluster(servers)) as reader:
        # Before anything is assigned: what is asked after a request for records waits until the
        # broker has answered that one, half a second where there are none.
        found = await bounds_of(reader, [(topic, number) for number in range(partitions)])
        bounds = {TopicPartition(*place): one for place, one in found.items()}
        reader.assign(list(bounds))
        for place, one in bounds.items():
            reader.seek(place, one.start)
        records: list[Any] = []
        while [place for place, one in bounds.items() if await reader.position(place) < one.end]:
            for some in (await reader.getmany(timeout_ms=100)).values():
                records.extend(some)
        return sorted(records, key=lambda one: (one.partition, one.offset))
