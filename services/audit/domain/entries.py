"""What an entry of the log is, and which entries a reader asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, Literal, NamedTuple, cast
from uuid import UUID

import orjson
from pydantic import JsonValue

from services.audit.domain.tiles import MOST_ENTRY_BYTES
from shared.contract import headers
from shared.contract.audit import TOPIC, DisclosureRefused, Entry, Handed
from shared.contract.codec import decode
from shared.contract.days import is_day
from shared.contract.message import Fault, Message, Record
from shared.contract.registry import REGISTRY, MessageData, schema_uri

ENTRY_TYPES: tuple[type[MessageData], ...] = tuple(
    known.model for known in REGISTRY if known.topic == TOPIC
)

REFUSED: Final = DisclosureRefused.__name__
HANDED_OVER: Final = tuple(
    model.__name__
    for model in ENTRY_TYPES
    if issubclass(model, Handed) and model.__name__ != REFUSED
)
"""The types by which the log says that a recipient got one person's data."""

_STRUCTURED = headers.STRUCTURED.encode()
_DATA = b'"data":'
_AFTER_DATA = b',"datacontenttype":'


class NoEntryError(Exception):
    """A valid message that cannot be an entry; the text names what is missing, never a value."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class SpoiledEntryError(Exception):
    """An entry's bytes are none any more: somebody changed them in the database."""

    def __init__(self, sequence: int | None = None) -> None:
        which = "an entry of the log" if sequence is None else f"entry {sequence}"
        super().__init__(
            f"{which} is not what was logged: it was changed in the database."
            " “steward audit verify” says what else was"
        )


@contextmanager
def reading(entry: StoredEntry) -> Iterator[None]:
    """SpoiledEntryError for whatever the bytes do not have that every entry of its type has."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError):
        raise SpoiledEntryError(entry.sequence) from None


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
        return str(data_in(self.event)["at"])


def data_in(event: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """What the event of an entry says; empty where somebody has changed it to say nothing."""
    data = event["data"]
    return data if isinstance(data, dict) else {}


@dataclass(frozen=True, slots=True)
class Published:
    """A record in binary mode: CloudEvents attributes by name, and the bytes of the data."""

    attributes: Mapping[str, str]
    data: bytes

    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """Those that the record had."""
        ce = ((headers.PREFIX + name, value.encode()) for name, value in self.attributes.items())
        return (*ce, (headers.CONTENT_TYPE, headers.JSON.encode()))


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
    readings_since: datetime | None = None
    """Of readings of somebody's data, only these."""


def log_entry(message: Message[Entry]) -> LogEntry:
    """The message as an entry. Raises `NoEntryError` where its id is no UUID, or it is too long."""
    data = message.data
    body = entry_bytes(message)
    if len(body) > MOST_ENTRY_BYTES:
        raise NoEntryError("entry_too_large", f"an entry has at most {MOST_ENTRY_BYTES:,} bytes")
    has = vars(data).get
    # By position, since there is one for every entry: names take half of the time again.
    return LogEntry(
        _entry_id(message.envelope.id),
        message.record.offset,
        message.envelope.type,
        data.at,
        data.actor,
        has("subject_id"),
        has("recipient"),
        has("purpose"),
        has("event_id"),
        has("disclosure_id"),
        has("categories", ()),
        body,
    )


def refuse_foreign(message: Message[Entry]) -> Fault | None:
    """An entry is said by the service that it names, in that service's own name: else a fault."""
    if message.envelope.source == f"/steward/{message.data.service}":
        return None
    return Fault("source_unknown", "ce_source is not the service that the entry names")


def entries_of(records: Iterable[Record]) -> list[LogEntry]:
    """What can be entries, in order; what cannot became dead letters."""
    found = []
    for record in records:
        message = decode(record)
        if not isinstance(message, Message) or not isinstance(message.data, Entry):
            continue
        entry = cast("Message[Entry]", message)
        if refuse_foreign(entry) is None:
            try:
                found.append(log_entry(entry))
            except NoEntryError:
                continue
    return found


def entry_bytes(message: Message[Entry]) -> bytes:
    """The CloudEvent in JSON format, one line of UTF-8: the same from the same record, always.

    Attributes are sorted; `data` stands in it byte for byte as it was published. It is taken from
    the record, not from the model: a later release knows more fields, and a log that is made anew
    from the topic must come out the same.
    """
    envelope = message.envelope
    cause, subject = envelope.causation_id, envelope.subject
    schema, source, last = _in_common(
        envelope.type, envelope.version, envelope.source, envelope.time
    )
    return b"".join(
        (
            b"{" if cause is None else b'{"causationid":%b,' % orjson.dumps(cause),
            _DATA,
            _published_data(message.record),
            _AFTER_DATA,
            schema,
            orjson.dumps(envelope.id),
            source,
            b"" if subject is None else b',"subject":%b' % orjson.dumps(subject),
            last,
        )
    )


@lru_cache(maxsize=256)
def _in_common(
    kind: str, version: int, source: str, time: datetime | None
) -> tuple[bytes, bytes, bytes]:
    """What entries have in common that one transaction said, in three parts: up to the id, between
    id and subject, and behind that. Written once for all of them.
    """
    dumps = orjson.dumps
    said_at = b"" if time is None else b',"time":%b' % dumps(_rfc3339(time))
    return (
        b'%b,"dataschema":%b,"id":' % (dumps(headers.JSON), dumps(schema_uri(kind, version))),
        b',"source":%b,"specversion":"1.0"' % dumps(source),
        b'%b,"type":%b}' % (said_at, dumps(kind)),
    )


def _published_data(record: Record) -> bytes:
    body = record.value or b"null"
    # Of two headers with one name the last one counts, as when it was decoded.
    content_type = dict(record.headers).get(headers.CONTENT_TYPE) or b""
    if content_type.startswith(_STRUCTURED):
        return orjson.dumps(orjson.loads(body)["data"])
    # Ours are one line; of any other a line of the log must still be one.
    return orjson.dumps(orjson.loads(body)) if b"\n" in body else body


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
    """A day, written as 2026-11-30, or a moment as ISO 8601 writes it; without an offset it is in
    the time zone.

    A day is its first moment or, at the end of a span, the first of the day after. ValueError, with
    a sentence for the user, for anything else, and for what lies where no calendar reaches.
    """
    try:
        read = datetime.fromisoformat(text)
        if is_day(text) and end_of_day:
            read += timedelta(days=1)
        read = read.replace(tzinfo=time_zone) if read.tzinfo is None else read
        read.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            "expected a day or a moment, as 2026-11-30 or 2026-11-30T12:00+02:00"
        ) from None
    return read
