"""Kafka records made by hand, of the form that consumers see."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

import orjson

from shared.contract.codec import Encoded, decode, encode
from shared.contract.message import Message, Outgoing, Undecodable
from shared.contract.registry import MessageData
from shared.runtime.clock import utc_now


@dataclass(frozen=True)
class MadeRecord:
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    key: bytes | None = None
    topic: str = "inbound.registrations"
    partition: int = 0
    offset: int = 0
    timestamp: int = 1_780_000_000_000


ATTRIBUTES = {
    "specversion": "1.0",
    "id": "m-1",
    "source": "https://courses.example.org/steward",
    "time": "2026-09-01T08:00:00Z",
}


def binary(kind: str, data: object, **attributes: str | None) -> MadeRecord:
    """Binary mode; an attribute that is None is left out."""
    given: dict[str, str | None] = {**ATTRIBUTES, "type": kind, **attributes}
    headers = [(f"ce_{name}", value.encode()) for name, value in given.items() if value is not None]
    body = data if isinstance(data, bytes) else orjson.dumps(data)
    return MadeRecord(body, (*headers, ("content-type", b"application/json")))


def structured(kind: str, data: object, **attributes: object) -> MadeRecord:
    event = {**ATTRIBUTES, "type": kind, "data": data, **attributes}
    return MadeRecord(
        orjson.dumps(event), (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
    )


def record_of(data: MessageData) -> MadeRecord:
    """A fact as a record of its topic."""
    encoded = encode(Outgoing(data, None), id=uuid4(), source="/steward/test", now=utc_now())
    return MadeRecord(encoded.value, header_bytes(encoded), topic=encoded.topic)


def header_bytes(encoded: Encoded) -> tuple[tuple[str, bytes], ...]:
    """The headers as the broker gets them."""
    return tuple((name, text.encode()) for name, text in encoded.headers.items())


def refused(record: MadeRecord) -> tuple[str, str]:
    """The reason and the sentence of a record that is no message."""
    result = decode(record)
    assert isinstance(result, Undecodable)
    assert result.record is record
    return result.reason, result.detail


def accepted(record: MadeRecord) -> Message[MessageData]:
    result = decode(record)
    assert isinstance(result, Message), result.detail
    return result
