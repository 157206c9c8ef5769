"""A line of a file to be sent, as a record for Kafka.

A line is one of two:

- a CloudEvent in JSON (structured mode). It goes, as it stands, to the topic of its `type`, under
  the number of the registration, contact or event that it is about;
- a record, for what a CloudEvent in JSON cannot show (binary mode, bytes that are no text):
  `{"kafka": {"topic": …, "key": …, "headers": {…}, "value": …}}`, where `key_base64`,
  `headers_base64` and `value_base64` hold what is no text. The topic is required, and a key or a
  value: Kafka's client sends no record that has neither.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from shared.contract import headers
from shared.contract.codec import CONTRACTS
from shared.contract.registry import REGISTRY
from shared.contract.topics import INBOUND, MAX_MESSAGE_BYTES

assert CONTRACTS  # noqa: S101 - importing them fills the registry
_TYPES: Final = {kind.name: kind for kind in REGISTRY if kind.topic in INBOUND}
_NUMBERS: Final = ("registration_number", "contact_number", "event_number")
_RECORD_OVERHEAD: Final = 1_000
_HEADER_OVERHEAD: Final = 10
"""More bytes than a record and a header need beside what is in them."""


class LineError(Exception):
    """A line that cannot be sent, and why; quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class ToSend:
    """A record to be produced."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def read_line(line: bytes) -> ToSend:
    """The record that a line stands for. Raises LineError."""
    line = line.strip()
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise LineError(f"no JSON from character {error.pos} on") from None
    if not isinstance(told, dict):
        raise LineError("no JSON object")
    record = _record(told["kafka"]) if "kafka" in told else _cloud_event(told, line)
    if _size(record) > MAX_MESSAGE_BYTES:
        raise LineError("too large for a message")
    return record


def _size(record: ToSend) -> int:
    size = len(record.value or b"") + len(record.key or b"") + _RECORD_OVERHEAD
    for name, value in record.headers:
        size += len(name.encode()) + len(value) + _HEADER_OVERHEAD
    return size


def _cloud_event(event: Mapping[str, Any], line: bytes) -> ToSend:
    name = event.get("type")
    kind = _TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise LineError("type is none that upstream systems send, so it leads to no topic")
    data = event.get("data")
    numbers = data if isinstance(data, dict) else {}
    field = next(number for number in _NUMBERS if number in kind.model.model_fields)
    number = numbers.get(field)
    key = number.encode() if isinstance(number, str) else None
    content_type = (headers.CONTENT_TYPE, headers.STRUCTURED.encode())
    return ToSend(kind.topic, key, line, (content_type,))


def _from_base64(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True)  # type: ignore[arg-type]  # else a TypeError
    except TypeError:
        raise ValueError("no text") from None


_Base64 = Annotated[bytes, PlainValidator(_from_base64)]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid")

    topic: str
    key: str | None = None
    key_base64: _Base64 | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    headers_base64: dict[str, _Base64] = Field(default_factory=dict)
    value: str | None = None
    value_base64: _Base64 | None = None


def _record(told: object) -> ToSend:
    try:
        written = _Written.model_validate(told)
    except ValidationError as error:
        places = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
        named = sorted(places & _Written.model_fields.keys()) or ["a name"]
        raise LineError(f"kafka: {', '.join(named)} is not as it must be") from None
    if written.topic not in INBOUND:
        raise LineError(f"kafka: topic is none of {', '.join(sorted(INBOUND))}")
    key = written.key_base64 if written.key is None else written.key.encode()
    value = written.value_base64 if written.value is None else written.value.encode()
    if key is None and value is None:
        raise LineError("kafka: neither key nor value")
    texts = [(name, text.encode()) for name, text in written.headers.items()]
    return ToSend(written.topic, key, value, (*texts, *written.headers_base64.items()))
