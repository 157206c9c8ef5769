"""Facts and requests as a service's handlers meet them: encoded and decoded as on a topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from shared.contract.codec import decode, encode
from shared.contract.message import Message, Outgoing
from shared.contract.registration import EventState, ParticipantRegistered
from shared.contract.registry import MessageData
from shared.contract.types import EventId, Money, RegistrationId, SubjectId
from tests.support.records import MadeRecord, header_bytes

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
WEBSITE = "https://www.example.org/steward"


@dataclass
class Facts:
    """Makes messages of one topic; offsets count up."""

    offsets: count[int] = field(default_factory=count)

    def message(
        self,
        data: MessageData,
        *,
        source: str = "/steward/registration",
        key: UUID | None = None,
        id: UUID | None = None,  # noqa: A002 - CloudEvents' own name for it
        at: datetime = NOON,
        received_at: datetime | None = None,
    ) -> Message[Any]:
        """The message that readers get: `at` is its `ce_time`, `received_at` the broker's."""
        encoded = encode(Outgoing(data, key), id=id or uuid4(), source=source, now=at)
        record = MadeRecord(
            encoded.value,
            header_bytes(encoded),
            encoded.key,
            encoded.topic,
            0,
            next(self.offsets),
            int((received_at or at).timestamp() * 1000),
        )
        message = decode(record)
        assert isinstance(message, Message), message
        return message


def event_state(**over: object) -> EventState:
    """An event with a fee; every part can be replaced."""
    given: Mapping[str, object] = {
        "event_id": EventId(uuid4()),
        "version": 1,
        "title": {"en": "A course"},
        "unit": "training",
        "starts_at": datetime(2026, 10, 1, 6, tzinfo=UTC),
        "ends_at": datetime(2026, 10, 1, 14, tzinfo=UTC),
        "time_zone": "Europe/Helsinki",
        "fee": Money(minor_units=10_000, currency="EUR"),
        "vat_class": "standard",
        **over,
    }
    return EventState.model_validate(given)


def registered(event: EventState | None = None, **over: object) -> Message[Any]:
    """Somebody has a place; every part can be replaced."""
    given: Mapping[str, object] = {
        "registration_id": RegistrationId(uuid4()),
        "subject_id": SubjectId(uuid4()),
        "event": event or event_state(),
        "language": "fi",
        "source": "short-courses",
        "personal": {},
        "registered_at": NOON,
        **over,
    }
    return Facts().message(ParticipantRegistered.model_validate(given))


def with_header(message: Message[Any], name: str, value: bytes) -> Message[Any]:
    """The same message, had its record this header."""
    record = message.record
    assert isinstance(record, MadeRecord)
    headers = tuple(header for header in record.headers if header[0] != name)
    decoded = decode(replace(record, headers=(*headers, (name, value))))
    assert isinstance(decoded, Message), decoded
    return decoded
