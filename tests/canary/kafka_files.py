"""Segments of Kafka's log: as they are on disk, and what is in them when it is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords


def compressed_batches(segment: Path) -> Iterator[bytes]:
    """What stands in the compressed batches of a segment, each opened: keys, values, headers.

    Raises what aiokafka raises for a codec that is not at hand: what cannot be opened cannot be
    searched. Batches that are not compressed are as they are on disk.
    """
    records = MemoryRecords(segment.read_bytes())
    while records.has_next():
        batch = records.next_batch()
        if isinstance(batch, DefaultRecordBatch) and batch.compression_type:
            yield b"".join(_parts(batch))


def _parts(batch: DefaultRecordBatch) -> Iterator[bytes]:
    for record in batch:
        for part in (record.key, record.value):
            yield (part or b"") + b"\n"
        for name, value in record.headers:
            yield name.encode() + b"\n" + (value or b"") + b"\n"
