"""The load: registrations of about 400 bytes, the events they are for, and withdrawals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from random import Random

import orjson

from examples.offers import COURSES, WEBINAR, WEBSITE, System
from examples.people import Person, somebody

TOPIC = "inbound.registrations"
CONTACTS = "inbound.contacts"
EVENTS = tuple(f"EV-BENCH-{number}" for number in range(5))
PURPOSE = "marketing"
Record = tuple[str, bytes | None, bytes, list[tuple[str, bytes]]]
Produced = Iterable[Record]

_SOMEWHEN = date(2096, 2, 29)
"""Events have not ended, whenever the benchmarks run."""

_FORM = [
    {"name": name, "field": f"contact.{name}", "purpose": "event-arrangement"}
    for name in ("name", "email", "phone", "address", "organisation")
]


def announcements(
    at: datetime, numbers: Sequence[str] = EVENTS, *, places: int | None = None
) -> Iterator[Record]:
    """The events; `places` at each, and a waiting list behind them, or no limit."""
    for number in numbers:
        data = WEBINAR.announcement(_SOMEWHEN, 0) | {"event_number": number, "form": _FORM}
        data.pop("registration_closes_at", None)
        if places is not None:
            data |= {"capacity": places, "waiting_list": True}
        yield _record(TOPIC, COURSES, "EventAnnounced", number, f"announced-{number}", at, data)


def people(first: int, many: int) -> Iterator[tuple[int, Person]]:
    """So many people with their serial numbers: the same each time."""
    random = Random(first)  # noqa: S311 - the same load each time
    for serial in range(first, first + many):
        yield serial, somebody(random, serial)


def registrations(
    first: int, many: int, at: datetime, events: Sequence[str] = EVENTS
) -> Iterator[Record]:
    """So many registrations, each of somebody else; half of them consent to newsletters."""
    for serial, person in people(first, many):
        consent = {
            "purpose": PURPOSE,
            "given": consents(serial),
            "wording": "marketing-2026",
            "language": person.language,
        }
        data = {
            "registration_number": f"B-{serial:08d}",
            "event_number": events[serial % len(events)],
            "language": person.language,
            "answers": {
                "name": person.name,
                "email": person.email,
                "phone": person.phone,
                "address": person.address,
                "organisation": person.organisation,
            },
            "consents": [consent],
            "share_with_participants": [],
        }
        kind, key = "RegistrationSubmitted", data["registration_number"]
        yield _record(TOPIC, COURSES, kind, key, f"m-{serial}", at, data)


def consents(serial: int) -> bool:
    """Whether the person of this serial number consents to newsletters."""
    return serial % 2 == 0


def withdrawal(serial: int, person: Person, at: datetime) -> Record:
    """The person takes the consent back."""
    data = {
        "contact_number": f"C-{serial:08d}",
        "email": person.email,
        "purposes": [PURPOSE],
    }
    kind, key = "WithdrawalRequested", data["contact_number"]
    return _record(CONTACTS, WEBSITE, kind, key, f"w-{serial}", at, data)


def spoilt(records: Produced, every: int) -> Iterator[Record]:
    """The same, each so-manieth made bad in one of four ways, so that every batch has some."""
    for number, record in enumerate(records):
        if number % every:
            yield record
        else:
            yield _spoil(record, number // every % 4)


def _spoil(record: Record, way: int) -> Record:
    topic, key, value, headers = record
    if way == 0:
        return topic, key, value[:-1], headers  # no JSON any more
    if way == 1:
        without = [(name, text) for name, text in headers if name != "ce_type"]
        return topic, key, value, [*without, ("ce_type", b"RegistrationMumbled")]
    data = orjson.loads(value)
    if way == 2:
        del data["event_number"]
    else:
        data["answers"]["email"] = "nobody"  # found by the handler, not by the contract
    return topic, key, orjson.dumps(data), headers


def _record(
    topic: str, source: System, kind: str, key: object, message_id: str, at: datetime, data: object
) -> Record:
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": message_id,
        "ce_source": source.uri,
        "ce_type": kind,
        "ce_time": at.isoformat(),
        "content-type": "application/json",
    }
    headers = [(name, value.encode()) for name, value in attributes.items()]
    return topic, str(key).encode(), orjson.dumps(data), headers


def is_registration(headers: Iterable[tuple[str, bytes]]) -> bool:
    """Whether a record is a registration and no announcement."""
    return ("ce_type", b"RegistrationSubmitted") in headers


def moments(first: datetime, many: int) -> list[datetime]:
    """So many moments, each a microsecond after the one before."""
    return [first + timedelta(microseconds=number) for number in range(many)]
