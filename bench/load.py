"""The load: registrations of about 400 bytes for five events without a limit of places."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import orjson

from examples.day import DAY
from examples.offers import COURSES, WEBINAR
from examples.people import somebody

TOPIC = "inbound.registrations"
EVENTS = tuple(f"EV-BENCH-{number}" for number in range(5))
Produced = Iterable[tuple[str, bytes, bytes, list[tuple[str, bytes]]]]
_FORM = [
    {"name": name, "field": f"contact.{name}", "purpose": "event-arrangement"}
    for name in ("name", "email", "phone", "address", "organisation")
]


def announcements() -> Produced:
    """The events."""
    for number in EVENTS:
        data = WEBINAR.announcement(DAY, 0) | {"event_number": number, "form": _FORM}
        del data["registration_closes_at"]
        yield _record("EventAnnounced", number, f"announced-{number}", data)


def registrations(first: int, many: int) -> Produced:
    """So many registrations, each of somebody else; half of them consent to newsletters."""
    random = Random(first)  # noqa: S311 - the same load each time
    for serial in range(first, first + many):
        person = somebody(random, serial)
        consent = {
            "purpose": "marketing",
            "given": serial % 2 == 0,
            "wording": "marketing-2026",
            "language": person.language,
        }
        data = {
            "registration_number": f"B-{serial:08d}",
            "event_number": EVENTS[serial % len(EVENTS)],
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
        yield _record("RegistrationSubmitted", data["registration_number"], f"m-{serial}", data)


def _record(
    kind: str, key: object, message_id: str, data: object
) -> tuple[str, bytes, bytes, list[tuple[str, bytes]]]:
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": message_id,
        "ce_source": COURSES.uri,
        "ce_type": kind,
        "ce_time": f"{DAY}T09:00:00+02:00",
        "content-type": "application/json",
    }
    headers = [(name, value.encode()) for name, value in attributes.items()]
    return TOPIC, str(key).encode(), orjson.dumps(data), headers


def is_registration(headers: Iterable[tuple[str, bytes]]) -> bool:
    """Whether a record is a registration and no announcement."""
    return ("ce_type", b"RegistrationSubmitted") in headers
