"""Lines that `steward send` reads: CloudEvents in structured mode, and whole Kafka records."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

Outcome = Literal["accepted", "refused", "waiting", "duplicate", "dead_letter", "parked"]
Event = dict[str, Any]

REGISTRATIONS = "inbound.registrations"
CONTACTS = "inbound.contacts"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the day, what it shows, and what is to become of it in the end.

    `reason` is the code of a refusal or of a dead letter.
    """

    text: bytes
    topic: str
    kind: str
    outcome: Outcome
    reason: str | None = None


def cloud_event(kind: str, data: object, *, id: str, source: str, at: datetime) -> Event:  # noqa: A002 - CloudEvents' own name for it
    """A CloudEvent (1.0) as JSON writes it."""
    return {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": kind,
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }


def structured(event: Event) -> bytes:
    """The event as it stands: its type says where it goes."""
    return orjson.dumps(event)


def binary(event: Event, *, topic: str, key: str | None, **instead: object) -> bytes:
    """The event as a record in binary mode. `instead` replaces parts of the record."""
    names = ("specversion", "id", "source", "type", "time", "dataschema")
    headers = {f"ce_{name}": event[name] for name in names if name in event}
    return record(
        topic=topic,
        key=key,
        **{
            "headers": {**headers, "content-type": "application/json"},
            "value": orjson.dumps(event["data"]).decode(),
            **instead,
        },
    )


def record(**parts: object) -> bytes:
    """A whole record; parts that are None are left out."""
    return orjson.dumps({"kafka": {name: part for name, part in parts.items() if part is not None}})


def in_base64(raw: bytes) -> str:
    """Bytes that need not be text."""
    return base64.b64encode(raw).decode()
