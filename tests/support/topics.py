"""Reading a whole topic, as it is now."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


async def read_topic(servers: str, topic: str, partitions: int) -> list[Any]:
    """Every record from the beginning to the present end, by partition and offset."""
    async with AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False) as reader:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        reader.assign(places)
        ends = await reader.end_offsets(places)
        for place, start in (await reader.beginning_offsets(places)).items():
            reader.seek(place, start)
        records: list[Any] = []
        while [place for place in places if await reader.position(place) < ends[place]]:
            for some in (await reader.getmany(timeout_ms=100)).values():
                records.extend(some)
        return sorted(records, key=lambda one: (one.partition, one.offset))
