"""Records that are kept whole until they can be handled or are given up: sealed, as JSON."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import orjson

from shared.contract.message import Record
from shared.messaging.places import Place


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record as it once stood in the log. `timestamp` is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


def pack(record: Record) -> bytes:
    """The whole record, as it is sealed."""
    content = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [(name, _text(value)) for name, value in record.headers],
    }
    return orjson.dumps(content)


def unpack(packed: bytes, place: Place | None = None) -> KeptRecord:
    """The record out of what `pack` made of it. `place` is where it stood, where that is known:
    bodies of dead letters of earlier releases do not have it.
    """
    content = orjson.loads(packed)
    if place is None:
        place = (content["topic"], content["partition"], content["offset"])
    return KeptRecord(
        *place,
        content["timestamp"],
        _bytes(content["key"]),
        _bytes(content["value"]),
        # A header that is null is as good as none; one that is empty is not.
        tuple((name, _bytes(value)) for name, value in content["headers"]),
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode("ascii")


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
