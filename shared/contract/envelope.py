"""The envelope of a record: CloudEvents attributes out of headers or out of a structured body.

CloudEvents 1.0.2, sections 3.1 to 3.3; Kafka protocol binding, sections 3.2 and 3.3. Whatever the
bytes are, the only exception is `NoMessageError`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import orjson

from shared.contract import headers
from shared.contract.message import Envelope

Attributes = Mapping[str, str]
"""The CloudEvents attributes that Steward reads, by name: short printable text each."""

MAX_ATTRIBUTE: Final = 300
"""Characters of an attribute: identities are stored and indexed."""

_BY_HEADER: Final = {
    headers.SPEC_VERSION: "specversion",
    headers.ID: "id",
    headers.SOURCE: "source",
    headers.TYPE: "type",
    headers.SUBJECT: "subject",
    headers.TIME: "time",
    headers.DATA_SCHEMA: "dataschema",
    headers.CAUSATION_ID: "causationid",
    headers.SNAPSHOT: "snapshot",
    headers.NO_FEE: "nofee",
    headers.TRACE_PARENT: "traceparent",
    headers.CONTENT_TYPE: "datacontenttype",
}
_NAMES: Final = tuple(_BY_HEADER.values())
_TRACE_PARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class NoMessageError(Exception):
    """Why a record is no valid message, in words that name fields and never values."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def read_json(body: bytes) -> object:
    """JSON as RFC 8259 has it: UTF-8, no NaN, no lone surrogates."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:
            body.decode("utf-8")
        except UnicodeDecodeError as not_text:
            where = not_text.start
            raise NoMessageError("not_utf8", f"byte {where} of the body is no UTF-8") from None
        raise NoMessageError(
            "json_broken", f"the body is no JSON from character {error.pos} on"
        ) from None


def from_headers(given: Mapping[str, bytes | None]) -> Attributes:
    """The attributes of a record in binary mode. Headers that Steward does not read stay unread."""
    attributes: dict[str, str] = {}
    header = ""
    try:
        for header, raw in given.items():
            if raw is not None and header in _BY_HEADER:
                attributes[_BY_HEADER[header]] = raw.decode()
    except UnicodeDecodeError:
        raise NoMessageError("envelope_invalid", f"header {header} is no UTF-8") from None
    if "specversion" not in attributes:
        raise NoMessageError(
            "envelope_invalid",
            f"the record is no CloudEvent: it has neither header {headers.SPEC_VERSION}"
            f" nor {headers.CONTENT_TYPE} {headers.STRUCTURED}",
        )
    return _checked(attributes)


def envelope_of(given: Mapping[str, bytes | None]) -> Envelope:
    """The envelope of a record in binary mode, out of its headers."""
    return _usual(given) or read_envelope(from_headers(given))


def _usual(given: Mapping[str, bytes | None]) -> Envelope | None:
    """The same as the long way, for the many that are as they should be; None for all others."""
    get = given.get
    raw, snapshot, time = get(headers.ID), get(headers.SNAPSHOT), get(headers.TIME)
    no_fee = get(headers.NO_FEE)
    if raw is None or snapshot not in _FLAG or no_fee not in _FLAG:
        return None
    try:
        source, kind, version = _common(*map(get, _COMMON))
        said_at = None if time is None else _common_time(time)
        identity = raw.decode()
        subject, causation, trace = [
            None if value is None else value.decode() for value in map(get, _OWN)
        ]
    except (NoMessageError, UnicodeDecodeError):
        return None
    together = f"{identity}{subject}{causation}{trace}"
    if not identity or len(together) > MAX_ATTRIBUTE or not together.isprintable():
        return None
    # Half of what calling it takes.
    return Envelope._make(
        (
            identity,
            source,
            kind,
            version,
            subject,
            said_at,
            causation,
            None if trace is None else _trace(trace),
            snapshot is not None,
            no_fee is not None,
        )
    )


_FLAG: Final = (None, b"true")
_COMMON: Final = (
    headers.SPEC_VERSION,
    headers.SOURCE,
    headers.TYPE,
    headers.DATA_SCHEMA,
    headers.CONTENT_TYPE,
)
_OWN: Final = (headers.SUBJECT, headers.CAUSATION_ID, headers.TRACE_PARENT)


@lru_cache(maxsize=1024)
def _common(*raw: bytes | None) -> tuple[str, str, int]:
    """Source, type and version, which most messages have in common with those before them.

    What raises is not remembered: neither what is too long, which is refused the long way.
    """
    if sum(len(value) for value in raw if value is not None) > MAX_ATTRIBUTE:
        raise NoMessageError("envelope_invalid", "the attributes are too long")
    given = dict(zip(_COMMON, raw, strict=True))
    envelope = read_envelope(from_headers({**given, headers.ID: b"any"}))
    return envelope.source, envelope.type, envelope.version


@lru_cache(maxsize=256)
def _common_time(raw: bytes) -> datetime | None:
    """When it was said, which all facts of one transaction have in common."""
    if len(raw) > MAX_ATTRIBUTE:  # is not remembered, as above
        raise NoMessageError("envelope_invalid", "time is too long")
    return _time(_text("time", raw.decode()))


def from_body(content_type: bytes, body: bytes) -> tuple[Attributes, object]:
    """The attributes and the data of a record in structured mode."""
    if not content_type.startswith(headers.STRUCTURED.encode()):
        raise NoMessageError(
            "envelope_invalid", f"of CloudEvents' formats only {headers.STRUCTURED} is read"
        )
    event = read_json(body)
    if not isinstance(event, dict):
        raise NoMessageError("envelope_invalid", "the body is no JSON object")
    for flag in ("snapshot", "nofee"):
        if flag in event:
            event[flag] = "true" if event[flag] in (True, "true") else None
    found = {name: event[name] for name in _NAMES if event.get(name) is not None}
    return _checked(found), _data(event)


def _data(event: Mapping[str, object]) -> object:
    encoded = event.get("data_base64")
    if encoded is None:
        return event.get("data")
    try:
        # A TypeError, where it is no text.
        data = base64.b64decode(encoded, validate=True)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise NoMessageError("envelope_invalid", "data_base64 is no base64") from None
    return read_json(data)


def _checked(attributes: Mapping[str, object]) -> Attributes:
    """One look at all of them together, as nearly all are well; only then one by one."""
    try:
        together = "".join(attributes.values())  # type: ignore[arg-type]  # then a TypeError
    except TypeError:
        together = ""
    if 0 < len(together) <= MAX_ATTRIBUTE and together.isprintable():
        return attributes  # type: ignore[return-value]  # each value was seen to be text
    return {name: _text(name, value) for name, value in attributes.items()}


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise NoMessageError("envelope_invalid", f"{name} must be text")
    if len(value) > MAX_ATTRIBUTE:
        raise NoMessageError(
            "envelope_invalid", f"{name} must not be longer than {MAX_ATTRIBUTE} characters"
        )
    if not value.isprintable():
        raise NoMessageError("envelope_invalid", f"{name} must have printable characters only")
    return value


def read_envelope(attributes: Attributes) -> Envelope:
    """The envelope, with what CloudEvents requires, and its version and time understood."""
    get = attributes.get
    if get("specversion") != "1.0":
        raise NoMessageError("envelope_invalid", "specversion must be 1.0")
    content_type = get("datacontenttype")
    if content_type is not None and content_type != headers.JSON and not _is_json(content_type):
        raise NoMessageError("envelope_invalid", f"datacontenttype must be {headers.JSON}")
    kind, identity, source = get("type"), get("id"), get("source")
    if not kind or not identity or not source:
        missing = next(name for name in ("type", "id", "source") if not get(name))
        raise NoMessageError("envelope_invalid", f"{missing} is missing")
    return Envelope(
        identity,
        source,
        kind,
        _version(kind, get("dataschema")),
        get("subject"),
        _time(get("time")),
        get("causationid"),
        _trace(get("traceparent")),
        get("snapshot") == "true",
        get("nofee") == "true",
    )


def _trace(parent: str | None) -> str | None:
    """A broken trace is no reason to refuse a message (Trace Context, section 4.3)."""
    return parent if parent is not None and _TRACE_PARENT.fullmatch(parent) else None


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in (headers.JSON, "text/json") or media_type.endswith("+json")


def _version(kind: str, schema: str | None) -> int:
    """An upstream that names no schema means the first version."""
    if schema is None:
        return 1
    prefix = f"steward:{kind}/"
    number = schema[len(prefix) :]
    if not schema.startswith(prefix) or not number.isascii() or not number.isdecimal():
        raise NoMessageError(
            "envelope_invalid", "dataschema must be steward:, the type, a slash and the version"
        )
    return int(number)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise NoMessageError("envelope_invalid", "time must say its offset from UTC")
        return time if time.tzinfo is UTC else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NoMessageError(
            "envelope_invalid", "time must be written as RFC 3339 writes it"
        ) from None
