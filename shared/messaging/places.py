"""Words for where a record stands."""

from __future__ import annotations

from shared.contract.message import Record
from shared.contract.topics import topic

Partition = tuple[str, int]
"""A topic and the number of a partition of it."""

Place = tuple[str, int, int]
"""A topic, the number of a partition of it, and an offset there."""

Key = tuple[str, bytes]
"""A topic and the key of a record in it. Order is kept inside of one."""


def partitions_of(*topics: str) -> list[Partition]:
    """All that these topics have. Raises KeyError for a name that is not in `TOPICS`."""
    return [(spec.name, number) for spec in map(topic, topics) for number in range(spec.partitions)]


def partition_of(record: Record) -> Partition:
    """The partition that the record stands in."""
    return (record.topic, record.partition)


def place_of(record: Record) -> Place:
    """Where the record stands."""
    return (record.topic, record.partition, record.offset)


def in_no_log(position: int) -> int:
    """What is stored of a position whose log turned out to be another: its negative. That is less
    than any offset, so that nothing of the log counts as read, and tells where reading was.
    """
    return -position


def key_of(record: Record) -> Key | None:
    """What the record must keep its order with; None for a record without a key."""
    return None if record.key is None else (record.topic, record.key)
