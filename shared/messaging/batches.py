"""Batches of Kafka's records, whatever bytes the names of their headers are.

A broker does not look at names, and takes what is no UTF-8. aiokafka 0.14 decodes them while it
takes a batch apart, and raises: nothing from there on could be read any more, in no way that it
has. So such a batch, and no other, is taken apart here.

Kafka's documentation, "Record Batch" and "Record": message format 2 (KIP-98, KIP-82).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

_LENGTH: Final = struct.Struct(">8xi")
"""How many bytes of a batch follow these."""

_HEAD: Final = struct.Struct(">q13xh4xqq14xi")
"""Offset of the first record, attributes, timestamp of the first record and the latest one, and how
many records there are."""

_COMPRESSION: Final = 0b0111
_LOG_APPEND_TIME: Final = 0b1000

_OPENED: Final[dict[int, Callable[[bytes], bytes]]] = {
    0: bytes,
    1: gzip_decode,
    2: snappy_decode,
    3: lz4_decode,
    4: zstd_decode,
}

Headers = list[tuple[str, bytes | None]]


class BatchRecord(NamedTuple):
    """A record as aiokafka's fetcher wants it. `timestamp` is in milliseconds since 1970."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    checksum: None = None


def read_any_names() -> None:
    """Let every consumer of this process read batches whose headers have names that are no text."""
    # There is no other way in: the fetcher looks this up in its module for each answer of a broker.
    fetcher.MemoryRecords = Batches


class Batches:
    """What a broker answered of one partition, in place of aiokafka's `MemoryRecords`."""

    def __init__(self, answered: bytes) -> None:
        self._answered = memoryview(answered)
        self._records = MemoryRecords(answered)
        self._next = 0

    def size_in_bytes(self) -> int:
        return len(self._answered)

    def has_next(self) -> bool:
        found: bool = self._records.has_next()
        return found

    def next_batch(self) -> _Batch:
        batch, begins = self._records.next_batch(), self._next
        (length,) = _LENGTH.unpack_from(self._answered, begins)
        self._next = begins + _LENGTH.size + length
        return _Batch(batch, self._answered[begins : self._next])


class _Batch:
    """One batch as aiokafka has it, and its bytes, should that not be able to read on."""

    def __init__(self, batch: Any, content: memoryview) -> None:  # noqa: ANN401 - aiokafka's own
        self._batch = batch
        self._content = content

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        return getattr(self._batch, name)

    def __next__(self) -> Any:  # noqa: ANN401 - as above
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._batch:
                yield record
                read += 1
        except UnicodeDecodeError:
            yield from islice(records_of(self._content), read, None)


def records_of(batch: bytes | memoryview) -> Iterator[BatchRecord]:
    """The records of a batch, in order. Its checksum was compared before. Pure."""
    base, attributes, first, latest, count = _HEAD.unpack_from(batch)
    appended = attributes & _LOG_APPEND_TIME
    body = bytearray(_OPENED[attributes & _COMPRESSION](bytes(batch[_HEAD.size :])))
    begins = 0
    for _ in range(count):
        length, begins = decode_varint(body, begins)
        passed, at = decode_varint(body, begins + 1)  # after its attributes: none are in use
        further, at = decode_varint(body, at)
        key, at = _bytes(body, at)
        value, at = _bytes(body, at)
        yield BatchRecord(
            base + further,
            latest if appended else first + passed,
            1 if appended else 0,
            key,
            value,
            _headers(body, at),
        )
        begins += length


def _headers(body: bytearray, at: int) -> Headers:
    count, at = decode_varint(body, at)
    found: Headers = []
    for _ in range(count):
        name, at = _bytes(body, at)
        value, at = _bytes(body, at)
        # What is no UTF-8 becomes `NO_TEXT`, by which the codec knows it.
        found.append(((name or b"").decode(errors="replace"), value))
    return found


def _bytes(body: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(body, at)
    return (None, at) if length < 0 else (bytes(body[at : at + length]), at + length)
