"""Records that no producer of Python sends: names of headers may be any bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from shared.messaging.partitioning import partition_of_key

Header = tuple[str | bytes, bytes | None]

_STANDS_IN = "\x7f"
_CHECKSUM_AT, _CHECKED_FROM, _RECORDS_FROM = 17, 21, 61


@dataclass(frozen=True, slots=True)
class AnyRecord:
    """A record as it is sent; a name that is bytes goes as it is."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


def batch_of(records: Sequence[AnyRecord], *, gzip: bool = False) -> bytearray:
    """One batch, as a broker takes it. Compressed, it can have no name that is no text."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=1 if gzip else 0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=0,
        batch_size=2**20,
    )
    for offset, one in enumerate(records):
        builder.append(offset, None, one.key, one.value, list(map(_as_text, one.headers)))
    return with_names(builder.build(), [name for one in records for name, _ in one.headers])


def with_names(batch: bytearray, names: Sequence[str | bytes]) -> bytearray:
    """The batch with those names that are bytes in their places, and the checksum of that."""
    at = _RECORDS_FROM  # before them checksum and times may have any bytes
    for name in names:
        if isinstance(name, bytes):
            at = batch.index(_STANDS_IN.encode() * len(name), at)
            batch[at : at + len(name)] = name
            at += len(name)
    checksum = calc_crc32c(bytes(batch[_CHECKED_FROM:]))
    batch[_CHECKSUM_AT:_CHECKED_FROM] = checksum.to_bytes(4, "big")
    return batch


def _as_text(header: Header) -> tuple[str, bytes | None]:
    name, value = header
    return (_STANDS_IN * len(name) if isinstance(name, bytes) else name), value


async def send_together(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[AnyRecord]
) -> asyncio.Future[object]:
    """Send these as one batch; what is returned is done when the broker has it."""
    together = producer.create_batch()
    for one in records:
        taken = together.append(
            timestamp=None, key=one.key, value=one.value, headers=list(map(_as_text, one.headers))
        )
        assert taken is not None, "they are too many for one batch"
    together.close()
    with_names(together._build(), [name for one in records for name, _ in one.headers])
    sent: asyncio.Future[object] = await producer.send_batch(together, topic, partition=partition)
    return sent


async def send_any(
    producer: AIOKafkaProducer, topic: str, record: AnyRecord
) -> asyncio.Future[object]:
    """Send one, to the partition of its key; what is returned is done when the broker has it."""
    if all(isinstance(name, str) for name, _ in record.headers):
        sent: asyncio.Future[object] = await producer.send(
            topic, record.value, key=record.key, headers=list(record.headers)
        )
        return sent
    partitions = await producer.partitions_for(topic)
    partition = partition_of_key(record.key, len(partitions))
    return await send_together(producer, topic, partition, [record])
