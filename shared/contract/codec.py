"""CloudEvents 1.0 over Kafka: records to messages, facts to records.

CloudEvents 1.0.2 and its Kafka protocol binding: binary and structured mode are read, binary mode
is written. Reading is pure and never raises, whatever the bytes are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Final, NamedTuple, overload
from uuid import UUID

import orjson
from pydantic import ValidationError

# The registry is filled when these are imported: a record may hold any of their types.
from shared.contract import audit, consent, finance, headers, inbound, registration, retention
from shared.contract.envelope import (
    NoMessageError,
    envelope_of,
    from_body,
    read_envelope,
    read_json,
)
from shared.contract.faults import sentence
from shared.contract.message import (
    Envelope,
    Message,
    Outgoing,
    PassedOver,
    Record,
    Undecodable,
)
from shared.contract.registry import REGISTRY, MessageData, Registered, Registry, schema_uri
from shared.contract.serialise import to_json
from shared.contract.topics import MAX_MESSAGE_BYTES
from shared.contract.types import SharedPart

CONTRACTS: Final = (audit, consent, finance, inbound, registration, retention)

UNREGISTERED: Final = "unregistered"
"""Stands for the name of a surplus field that no contract has."""

_CLOUD_EVENTS: Final = headers.CLOUD_EVENT.encode()
_MOST_PARTS: Final = 256


Decoded = Message[MessageData] | Undecodable | PassedOver

PassesOver = Callable[[Envelope], bool]
"""Whether the envelope alone tells that a message is of no concern. Pure; must not raise."""


class Encoded(NamedTuple):
    """A record to be produced. Headers are text here: all of ours are."""

    topic: str
    key: bytes | None
    value: bytes
    headers: dict[str, str]


class Codec:
    """Reads records as the types of one registry. One serves everybody: all that it remembers is
    what many messages have in common, which is understood once, and given to each of them.
    """

    def __init__(self, registry: Registry) -> None:
        self._types = {registered.name: registered for registered in registry}
        self._registry = registry
        self._shared = {registered.name: _shared_fields(registered) for registered in registry}
        self._parts: dict[tuple[type[SharedPart], bytes], SharedPart] = {}

    @cached_property
    def _field_names(self) -> frozenset[str]:
        """Names of fields at any depth of the contracts: these may be shown."""
        return frozenset(_field_names(self._registry))

    @overload
    def decode(self, record: Record) -> Message[MessageData] | Undecodable: ...
    @overload
    def decode(self, record: Record, passes_over: PassesOver | None) -> Decoded: ...
    def decode(self, record: Record, passes_over: PassesOver | None = None) -> Decoded:
        """The record as a valid message, or why it is none. Pure; never raises.

        The body of what is passed over by its envelope stays unread. (In structured mode it is
        read: the envelope is in it.)
        """
        envelope = None
        try:
            value = record.value
            if value is None:
                raise NoMessageError("json_broken", "the record has no body")
            if len(value) > MAX_MESSAGE_BYTES:
                raise NoMessageError("too_large", f"the body exceeds {MAX_MESSAGE_BYTES} bytes")
            given = dict(record.headers)
            if headers.NO_TEXT in "".join(given):
                # What it was to be nobody knows: it may be one of those that are read here.
                raise NoMessageError("envelope_invalid", "the name of a header is no UTF-8")
            content_type = given.get(headers.CONTENT_TYPE)
            if content_type is not None and content_type.startswith(_CLOUD_EVENTS):
                attributes, data = from_body(content_type, value)
                envelope = read_envelope(attributes)
                registered = self._registered(envelope)
            else:
                envelope = envelope_of(given)
                registered = self._registered(envelope)
                if passes_over is not None and passes_over(envelope):
                    return PassedOver(record, envelope)
                data = read_json(value)
            return self._message(record, envelope, registered, data)
        except NoMessageError as fault:
            return Undecodable(record, fault.reason, fault.detail, envelope)

    def _registered(self, envelope: Envelope) -> Registered:
        registered = self._types.get(envelope.type)
        if registered is None:
            raise NoMessageError("type_unknown", "type is none that the registry knows")
        if not 1 <= envelope.version <= registered.version:
            raise NoMessageError(
                "version_unknown",
                f"dataschema: of {registered.name} the newest known version is"
                f" {registered.version}",
            )
        return registered

    def _message(
        self, record: Record, envelope: Envelope, registered: Registered, data: object
    ) -> Message[MessageData]:
        if not isinstance(data, dict):
            raise NoMessageError("field_invalid", "the data must be a JSON object")
        if envelope.version != registered.version:
            data = _upcast(registered, envelope.version, data)
        try:
            for name, part in self._shared[registered.name]:
                value = data.get(name)
                if isinstance(value, dict):
                    data[name] = self._part(part, value)
            model = registered.model.__pydantic_validator__.validate_python(data)
        except ValidationError as error:
            missing, detail = sentence(error, self._field_names)
            raise NoMessageError("field_missing" if missing else "field_invalid", detail) from None
        if len(data) == len(model.__pydantic_fields_set__):
            return Message(record, envelope, model)
        return Message(record, envelope, model, tuple(self._surplus(data, registered)))

    def _part(self, part: type[SharedPart], value: dict[str, object]) -> object:
        """The part as a model; what is at fault stays as it is, for the whole to say where."""
        try:
            key = (part, orjson.dumps(value))
            known = self._parts.get(key)
            if known is None:
                known = part.__pydantic_validator__.validate_python(value)
                if len(self._parts) >= _MOST_PARTS:
                    self._parts.clear()
                self._parts[key] = known
        except (ValidationError, TypeError):  # a TypeError: nested deeper than orjson writes
            return value
        return known

    def _surplus(self, data: dict[str, object], registered: Registered) -> Iterator[str]:
        for name in data.keys() - registered.model.model_fields.keys():
            yield name if name in self._field_names else UNREGISTERED


def _upcast(registered: Registered, version: int, data: dict[str, object]) -> dict[str, object]:
    try:
        return dict(registered.upcast(data, version))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        raise NoMessageError(
            "field_invalid", f"the data does not have the form of version {version}"
        ) from None


def _shared_fields(registered: Registered) -> list[tuple[str, type[SharedPart]]]:
    """The fields that messages of a type have in common with others, and what they are."""
    return [
        (name, field.annotation)
        for name, field in registered.model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, SharedPart)
    ]


def _field_names(registry: Registry) -> Iterator[str]:
    for registered in registry:
        schema = registered.model.model_json_schema()
        for definition in (schema, *schema.get("$defs", {}).values()):
            yield from definition.get("properties", {})


_CODEC: Final = Codec(REGISTRY)
decode = _CODEC.decode


def encode(outgoing: Outgoing, *, id: UUID, source: str, now: datetime) -> Encoded:  # noqa: A002 - CloudEvents' own name for it
    """The fact as a record in binary mode. `source` is `/steward/<service>`, `now` aware."""
    data = outgoing.data
    written = {
        **_common(data.message_type, data.version, source, now),
        headers.ID: str(id),
    }
    subject = _text(outgoing.subject)
    if subject is not None:
        written[headers.SUBJECT] = subject
    if outgoing.causation_id is not None:
        written[headers.CAUSATION_ID] = outgoing.causation_id
    if outgoing.snapshot:
        written[headers.SNAPSHOT] = "true"
    written.update(data.extensions())
    if outgoing.traceparent is not None:
        written[headers.TRACE_PARENT] = outgoing.traceparent
    # Mostly the one is the other, and Python's own UUID takes its time to be text.
    key = subject if outgoing.key is outgoing.subject else _text(outgoing.key)
    # An entry stays in the log as these bytes (ADR 15).
    value = to_json(data, sort_keys=data.topic == audit.TOPIC)
    return Encoded(data.topic, None if key is None else key.encode(), value, written)


def _text(id: UUID | None) -> str | None:  # noqa: A002 - as above
    return None if id is None else str(id)


@lru_cache(maxsize=64)
def _common(message_type: str, version: int, source: str, now: datetime) -> Mapping[str, str]:
    """What all facts of a type have in common that one transaction, with its one `now`, says."""
    return {
        headers.SPEC_VERSION: "1.0",
        headers.SOURCE: source,
        headers.TYPE: message_type,
        headers.TIME: now.astimezone(UTC).isoformat(),
        headers.DATA_SCHEMA: schema_uri(message_type, version),
        headers.CONTENT_TYPE: headers.JSON,
    }
