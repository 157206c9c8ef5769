"""Words for where a record stands."""

from __future__ import annotations

from typing import Final

from shared.contract.message import Record

Partition = tuple[str, int]
"""A topic and the number of a partition of it."""

IN_NO_LOG: Final = -1
"""The position in a partition whose log is not the one that was read before: less than any offset,
so that nothing of it counts as read.
"""

Place = tuple[str, int, int]
"""A topic, the number of a partition of it, and an offset there."""

Key = tuple[str, bytes]
"""A topic and the key of a record in it. Order is kept inside of one."""


def partition_of(record: Record) -> Partition:
    """The partition that the record stands in."""
    return (record.topic, record.partition)


def place_of(record: Record) -> Place:
    """Where the record stands."""
    return (record.topic, record.partition, record.offset)


def key_of(record: Record) -> Key | None:
    """What the record must keep its order with; None for a record without a key."""
    return None if record.key is None else (record.topic, record.key)
