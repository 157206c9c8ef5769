"""What an entry of the log is, and which entries a reader asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, NamedTuple
from uuid import UUID

import orjson
from pydantic import JsonValue

from services.audit.domain.tiles import MOST_ENTRY_BYTES
from shared.contract import headers
from shared.contract.audit import TOPIC, Entry
from shared.contract.message import Fault, Message, Record
from shared.contract.registry import REGISTRY, MessageData, schema_uri

ENTRY_TYPES: tuple[type[MessageData], ...] = tuple(
    known.model for known in REGISTRY if known.topic == TOPIC
)

_STRUCTURED = headers.STRUCTURED.encode()
_DATA = b'"data":'
_AFTER_DATA = b',"datacontenttype":'


class NoEntryError(Exception):
    """A valid message that cannot be an entry; the text names what is missing, never a value."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class LogEntry(NamedTuple):
    """One entry, ready to be appended: what it is found by, and the bytes that it is.

    Its fields are columns of the table. A tuple, since there is one for every entry.
    """

    id: UUID
    topic_offset: int
    type: str
    at: datetime
    actor: str
    subject_id: UUID | None
    recipient: str | None
    purpose: str | None
    event_id: UUID | None
    disclosure_id: UUID | None
    categories: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as the log has it: its place from 0, and its bytes."""

    sequence: int
    body: bytes

    @property
    def event(self) -> dict[str, JsonValue]:
        """The CloudEvent that the bytes are (JSON format, structured mode)."""
        event: dict[str, JsonValue] = orjson.loads(self.body)
        return event

    @property
    def at(self) -> str:
        """When it happened, as the entry has it (RFC 3339)."""
        data = self.event["data"]
        return str(data["at"]) if isinstance(data, dict) else ""


@dataclass(frozen=True, slots=True)
class Published:
    """A record in binary mode: CloudEvents attributes by name, and the bytes of the data."""

    attributes: Mapping[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries a reader asked for: all that are given hold. `since <= at < until`."""

    since: datetime | None = None
    until: datetime | None = None
    subject_ids: tuple[UUID, ...] | None = None
    """About any of these; with none among them, no entry is meant."""
    recipient: str | None = None
    purpose: str | None = None
    event_id: UUID | None = None
    category: str | None = None
    """One of those that the entry names."""
    type: str | None = None
    actor: str | None = None


def log_entry(message: Message[Entry]) -> LogEntry:
    """The message as an entry. Raises `NoEntryError` where its id is no UUID, or it is too long."""
    data = message.data
    body = entry_bytes(message)
    if len(body) > MOST_ENTRY_BYTES:
        raise NoEntryError("entry_too_large", f"an entry has at most {MOST_ENTRY_BYTES:,} bytes")
    has = vars(data).get
    return LogEntry(
        id=_entry_id(message.envelope.id),
        topic_offset=message.record.offset,
        type=message.envelope.type,
        at=data.at,
        actor=data.actor,
        subject_id=has("subject_id"),
        recipient=has("recipient"),
        purpose=has("purpose"),
        event_id=has("event_id"),
        disclosure_id=has("disclosure_id"),
        categories=has("categories", ()),
        body=body,
    )


def refuse_foreign(message: Message[Entry]) -> Fault | None:
    """An entry is said by the service that it names, in that service's own name: else a fault."""
    if message.envelope.source == f"/steward/{message.data.service}":
        return None
    return Fault("source_unknown", "ce_source is not the service that the entry names")


def entry_bytes(message: Message[Entry]) -> bytes:
    """The CloudEvent in JSON format, one line of UTF-8: the same from the same record, always.

    Attributes are sorted; `data` stands in it byte for byte as it was published. It is taken from
    the record, not from the model: a later release knows more fields, and a log that is made anew
    from the topic must come out the same.
    """
    envelope = message.envelope
    event = {
        "specversion": "1.0",
        "id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "subject": envelope.subject,
        "time": None if envelope.time is None else _rfc3339(envelope.time),
        "datacontenttype": headers.JSON,
        "dataschema": schema_uri(envelope.type, envelope.version),
        "causationid": envelope.causation_id,
        "data": orjson.Fragment(_published_data(message.record)),
    }
    given = {name: value for name, value in event.items() if value is not None}
    return orjson.dumps(given, option=orjson.OPT_SORT_KEYS)


def _published_data(record: Record) -> bytes:
    body = record.value or b"null"
    if _is_structured(record):
        return orjson.dumps(orjson.loads(body)["data"])
    # Ours are one line; of any other a line of the log must still be one.
    return orjson.dumps(orjson.loads(body)) if b"\n" in body else body


def _is_structured(record: Record) -> bool:
    for name, value in record.headers:
        if name == headers.CONTENT_TYPE:
            return value.startswith(_STRUCTURED)
    return False


def published(entry: StoredEntry) -> Published:
    """The record that the entry was made of: same attributes, same bytes."""
    event = entry.event
    # Sorted, `data` stands behind nothing but text of our own and `datacontenttype` before text
    # without it, in which a quote has a backslash: so the first of one and the last of the other
    # are the attributes, whatever the data hold.
    start = entry.body.index(_DATA) + len(_DATA)
    end = entry.body.rindex(_AFTER_DATA)
    attributes = {
        name: str(value) for name, value in event.items() if name not in {"data", "datacontenttype"}
    }
    return Published(attributes, entry.body[start:end])


News = Literal["fresh", "again", "contradicts"]
"""What an entry is to the log: not there yet; there, the same; there, with other bytes."""


def news_of(entries: Iterable[LogEntry], known: Mapping[UUID, bytes]) -> list[News]:
    """What each entry is, where these ids have these bytes in the log and earlier ones come first.

    The first of an id is the entry, for ever.
    """
    bodies, found = dict(known), list[News]()
    for entry in entries:
        if entry.id in bodies:
            found.append("again" if bodies[entry.id] == entry.body else "contradicts")
        else:
            bodies[entry.id] = entry.body
            found.append("fresh")
    return found


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _entry_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NoEntryError("envelope_invalid", "the id of an entry must be a UUID") from None


def moment(text: str, time_zone: tzinfo, *, end_of_day: bool = False) -> datetime:
    """A moment or a day as ISO 8601 writes it; without an offset it is in the time zone.

    A day is its first moment or, at the end of a span, the first of the day after. ValueError, with
    a sentence for the user, for anything else.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "expected a day or a moment, as 2026-11-30 or 2026-11-30T12:00+02:00"
        ) from None
    if end_of_day and len(text) == len("2026-11-30"):
        read += timedelta(days=1)
    return read.replace(tzinfo=time_zone) if read.tzinfo is None else read
