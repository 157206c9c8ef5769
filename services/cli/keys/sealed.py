"""Where sealed values are in the database, and which columns that could hold them do not.

A test compares both lists with the columns that there are.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg
import orjson

from services.cli.schemas import SERVICES
from shared.privacy.checking import SealedValue

Values = Callable[[asyncpg.Record], Iterable[SealedValue]]
"""What a row holds."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of a service's schema, and how it is read: `query` is a name in `sealed.sql`."""

    service: str
    name: str
    query: str
    values: Values
    page: int = 1_000
    """Rows that are read at once: what they hold is in memory together."""

    @property
    def place(self) -> str:
        return f"{self.service}.{self.name}"


def of_a_person(row: asyncpg.Record) -> Iterable[SealedValue]:
    """A row with its subject, its category and one value."""
    subject_id, category, sealed = row
    yield SealedValue(subject_id, category, sealed)


def by_category(row: asyncpg.Record) -> Iterable[SealedValue]:
    """A row with its subject, and base64 of a value for each category, as JSON."""
    subject_id, values = row
    known = orjson.loads(values)
    if not isinstance(known, dict):
        yield SealedValue(subject_id, None, b"")  # nothing there is sealed
        return
    for category, text in known.items():
        yield SealedValue(subject_id, category, _from_base64(text))


def of_the_service(row: asyncpg.Record) -> Iterable[SealedValue]:
    """A row with a whole record as it came."""
    yield SealedValue(None, None, row[0])


def _from_base64(text: object) -> bytes:
    """Nothing, where it is no base64: that is not sealed either."""
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError:
        return b""


_WHOLE_RECORDS: Final = 20
"""Each has 1 MiB at most."""

SEALED: Final = (
    SealedColumn("registration", "registration.personal", "personal_of_registrations", by_category),
    SealedColumn(
        "registration",
        "waiting_message.sealed",
        "waiting_messages",
        of_the_service,
        page=_WHOLE_RECORDS,
    ),
    SealedColumn("consent", "contact.sealed", "contacts", of_a_person),
    SealedColumn("finance", "buyer.sealed", "buyers", of_a_person),
    *(
        column
        for service in SERVICES
        for column in (
            SealedColumn(service, "handover_value.sealed", "handovers", of_a_person),
            SealedColumn(
                service,
                "dead_letter.sealed",
                "dead_letters",
                of_the_service,
                page=_WHOLE_RECORDS,
            ),
        )
    ),
)

_DIGEST = "a digest"
_PUBLIC = "holds nothing of a person"
_IN_EVERY_SCHEMA: Final = {
    "inbox.identity": _DIGEST,
    "inbox.body": _DIGEST,
    "dead_letter.type_reference": _DIGEST,
    "dead_letter.key_reference": _DIGEST,
    "parked_key.key_reference": _DIGEST,
    "outbox.key": "an id",
    "outbox.headers": "ids and names",
    "outbox.value": "a message that is about to go; what is sealed in it is sealed in a table too",
    "plan.text": _PUBLIC,
}
NOT_SEALED: Final[Mapping[str, str]] = {
    **{f"{service}.{name}": why for service in SERVICES for name, why in _IN_EVERY_SCHEMA.items()},
    "registration.event.reference": _DIGEST,
    "registration.event.offer": _PUBLIC,
    "registration.registration.reference": _DIGEST,
    "registration.registration.charge": "an amount and a VAT class",
    "registration.registration.consents": "purposes, by name",
    "registration.registration.share_fields": "fields, by name",
    "registration.declined.reference": _DIGEST,
    "registration.waiting_message.awaits_event": _DIGEST,
    "registration.waiting_message.awaits_registration": _DIGEST,
    "registration.waiting_message.registration": _DIGEST,
    "consent.consent_record.origin": _DIGEST,
    "audit.entry.body": "an entry: ids and field names",
    "audit.tree_head.frontier": _DIGEST,
    "audit.checkpoint.root": _DIGEST,
    "audit.checkpoint.note": _PUBLIC,
}
"""Columns of bytes or JSON without sealed values, and why there are none."""
