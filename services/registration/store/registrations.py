"""Registrations: added, changed, cancelled, moved up; always many in one statement."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import asyncpg
import orjson

from services.registration.domain.events import Charge
from services.registration.store.sql import SQL
from shared.contract.inbound import ConsentAnswer
from shared.contract.serialise import list_to_json, sealed_to_json, to_json
from shared.contract.types import EventId, RegistrationId, Sealed, SubjectId
from shared.contract.value_type import value_type
from shared.runtime.database import Connection

Status = Literal["registered", "waitlisted", "cancelled"]
Personal = Mapping[str, Sealed]
"""Sealed values by category."""


@value_type
class NewRegistration:
    """A registration to be added. `in_line` is its place in the waiting list, if it waits; `charge`
    is what its place at the event costs, if it has one.
    """

    id: RegistrationId
    source: str
    reference: bytes
    subject_id: SubjectId
    event_id: EventId
    language: str
    personal: Personal
    consents: Sequence[ConsentAnswer]
    share_fields: Sequence[str]
    in_line: int | None
    charge: Charge | None
    at: datetime


@value_type
class Registration:
    """A registration as it is kept."""

    id: RegistrationId
    source: str
    reference: bytes
    subject_id: SubjectId
    event_id: EventId
    status: Status
    language: str
    personal: Personal
    consents: tuple[ConsentAnswer, ...]
    share_fields: tuple[str, ...]
    cancelled_by: str | None
    collected_at: datetime


@value_type
class Placed:
    """A registration that has a place, whole; `at` is when it got it. `waited_since` is when it
    joined the waiting list, if it did.
    """

    id: RegistrationId
    source: str
    subject_id: SubjectId
    event_id: EventId
    language: str
    personal: Personal
    consents: tuple[ConsentAnswer, ...]
    at: datetime
    waited_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A registration as it stands. `position` (from 1) is that of one who waits; `charge` is what
    the place cost, None where there is none or nobody knows.
    """

    registration: Placed
    charge: Charge | None
    position: int | None
    cancelled_at: datetime | None
    cancelled_by: Literal["person", "organiser"] | None


@dataclass(frozen=True, slots=True)
class MoveUp:
    """So many people of an event's waiting list get a place, which costs this, at this moment."""

    event_id: EventId
    people: int
    charge: Charge
    at: datetime


@dataclass(frozen=True, slots=True)
class Declined:
    """A registration number that was answered with a no."""

    reference: bytes
    event_id: EventId | None
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody at an event, and what is kept of them."""

    id: RegistrationId
    subject_id: SubjectId
    personal: Personal
    share_fields: frozenset[str]
    collected_at: datetime


async def answered(connection: Connection, references: Sequence[bytes]) -> set[bytes]:
    """Those of the registration numbers that were answered already."""
    rows = SQL.answered_references(connection, references_=references)
    return {row["reference"] async for row in rows}


async def people_at_events(
    connection: Connection, asked: Sequence[tuple[EventId, SubjectId]]
) -> set[tuple[EventId, SubjectId]]:
    """Those of the people who have a registration for the event that was not cancelled."""
    rows = SQL.people_at_events(
        connection,
        event_ids=[event_id for event_id, _ in asked],
        subject_ids=[subject_id for _, subject_id in asked],
    )
    return {(row["event_id"], row["subject_id"]) async for row in rows}


_COLUMNS: Final = (
    "id",
    "source",
    "reference",
    "subject_id",
    "event_id",
    "status",
    "version",
    "language",
    "personal",
    "consents",
    "share_fields",
    "in_line",
    "charge",
    "registered_at",
    "updated_at",
)


async def add_registrations(connection: Connection, new: Sequence[NewRegistration]) -> None:
    """Add registrations.

    Raises a serialization failure, which is transient, where another batch was first with a
    number: two partitions had it. Done again, this one finds it answered.
    """
    # Those of one event and one batch have got their places at one price.
    charges = {(row.event_id, row.in_line is None): row.charge for row in new}
    texts = {event: _charge_text(charge) for event, charge in charges.items()}
    records = (_new(row, texts[row.event_id, row.in_line is None]) for row in new)
    try:
        # COPY takes half the time of an insert from arrays, here and in the server.
        await connection.copy_records_to_table("registration", records=records, columns=_COLUMNS)
    except asyncpg.UniqueViolationError:
        raise asyncpg.SerializationError("a registration number came twice at once") from None


def _new(row: NewRegistration, charge: str | None) -> tuple[object, ...]:
    return (
        row.id,
        row.source,
        row.reference,
        row.subject_id,
        row.event_id,
        "registered" if row.in_line is None else "waitlisted",
        1,
        row.language,
        _personal_text(row.personal),
        _consents_text(row.consents),
        "[]" if not row.share_fields else orjson.dumps(row.share_fields).decode(),
        row.in_line,
        charge,
        row.at,
        row.at,
    )


async def add_declined(connection: Connection, declined: Collection[Declined]) -> None:
    """Remember numbers that were declined, so that each is answered once."""
    if declined:
        rows = sorted(declined, key=lambda row: row.reference)
        await SQL.add_declined(
            connection,
            references_=[row.reference for row in rows],
            events=[row.event_id for row in rows],
            reasons=[row.reason for row in rows],
            times=[row.at for row in rows],
        )


async def registrations_by_reference(
    connection: Connection, references: Sequence[bytes]
) -> dict[bytes, Registration]:
    """Registrations by their references; no entry for a number that is none."""
    rows = SQL.registrations_by_reference(connection, references_=references)
    return {row["reference"]: _registration(row) async for row in rows}


async def registrations_of(
    connection: Connection, event_id: EventId, people: Sequence[SubjectId]
) -> list[Registration]:
    """What these people have registered for an event, the oldest first, whatever became of it."""
    rows = SQL.registrations_of(connection, event_id=event_id, subject_ids=people)
    return [_registration(row) async for row in rows]


async def whereabouts(
    connection: Connection, references: Sequence[bytes]
) -> dict[bytes, bytes | None]:
    """Of numbers that are no registration: None for a declined one, else the event it waits for."""
    if not references:
        return {}
    rows = SQL.whereabouts(connection, references_=references)
    return {row["reference"]: row["awaits_event"] async for row in rows}


async def events_of_registrations(
    connection: Connection, references: Sequence[bytes]
) -> set[bytes]:
    """References of the events that these registrations are for, or wait for."""
    if not references:
        return set()
    rows = SQL.events_of_registrations(connection, references_=references)
    return {row["reference"] async for row in rows}


async def change_registrations(
    connection: Connection, changed: Sequence[tuple[RegistrationId, Personal, datetime]]
) -> None:
    """Write what is kept of these registrations now, and since when."""
    if changed:
        await SQL.change_registrations(
            connection,
            ids=[id_ for id_, _, _ in changed],
            personal=[_personal_text(personal) for _, personal, _ in changed],
            times=[at for _, _, at in changed],
        )


async def cancel_registrations(
    connection: Connection, cancelled: Sequence[tuple[RegistrationId, datetime]]
) -> None:
    """Take these registrations back, each as of a moment, for the person."""
    if cancelled:
        await SQL.cancel_registrations(
            connection,
            ids=[id_ for id_, _ in cancelled],
            times=[at for _, at in cancelled],
        )


async def cancel_some_of_events(
    connection: Connection, event_ids: Sequence[EventId], at: datetime, most: int
) -> list[tuple[RegistrationId, SubjectId, EventId, bool]]:
    """Cancel up to `most` registrations of these events; the last value: it had a place."""
    rows = SQL.cancel_some_of_events(connection, event_ids=event_ids, at=at, most=most)
    found = [
        (row["id"], row["subject_id"], row["event_id"], row["had_place"]) async for row in rows
    ]
    return sorted(found)


async def move_up(connection: Connection, moves: Sequence[MoveUp]) -> list[Placed]:
    """Give so many people of each waiting list a place, the first ones first."""
    rows = SQL.move_up(
        connection,
        event_ids=[one.event_id for one in moves],
        people=[one.people for one in moves],
        charges=[_charge_text(one.charge) for one in moves],
        times=[one.at for one in moves],
    )
    moved = [_placed(row) async for row in rows]
    return sorted(moved, key=lambda row: row.id)


async def events_after(
    connection: Connection, after: RegistrationId | None, most: int
) -> list[EventId]:
    """The events of up to `most` registrations, by id, from after this one on."""
    rows = SQL.events_after(connection, after=after, most=most)
    return [EventId(row["event_id"]) async for row in rows]


async def registrations_after(
    connection: Connection, after: RegistrationId | None, most: int
) -> list[Standing]:
    """Up to `most` registrations as they stand, by id, from after this one on."""
    rows = SQL.registrations_after(connection, after=after, most=most)
    return [
        Standing(
            _placed(row),
            _charge(row["charge"]),
            row["position"],
            row["cancelled_at"],
            row["cancelled_by"],
        )
        async for row in rows
    ]


async def people_of_event(connection: Connection, event_id: EventId) -> list[Participant]:
    """Who has a place at the event, in the order of registration."""
    return [
        Participant(
            row["id"],
            row["subject_id"],
            _personal(row["personal"]),
            frozenset(orjson.loads(row["share_fields"])),
            row["collected_at"],
        )
        async for row in SQL.people_of_event(connection, event_id=event_id)
    ]


def _placed(row: asyncpg.Record) -> Placed:
    return Placed(
        id=row["id"],
        source=row["source"],
        subject_id=row["subject_id"],
        event_id=row["event_id"],
        language=row["language"],
        personal=_personal(row["personal"]),
        consents=_consents(row["consents"]),
        at=row["registered_at"],
        waited_since=row["waited_since"],
    )


def _registration(row: asyncpg.Record) -> Registration:
    return Registration(
        id=row["id"],
        source=row["source"],
        reference=row["reference"],
        subject_id=row["subject_id"],
        event_id=row["event_id"],
        status=row["status"],
        language=row["language"],
        personal=_personal(row["personal"]),
        consents=_consents(row["consents"]),
        share_fields=tuple(orjson.loads(row["share_fields"])),
        cancelled_by=row["cancelled_by"],
        collected_at=row["collected_at"],
    )


def _charge(text: str | None) -> Charge | None:
    return None if text is None else Charge.model_validate_json(text)


def _charge_text(charge: Charge | None) -> str | None:
    if charge is None:
        return None
    return "{}" if charge.fee is None else to_json(charge).decode()


def _personal(text: str) -> Personal:
    return {name: Sealed(base64.b64decode(value)) for name, value in orjson.loads(text).items()}


def _personal_text(personal: Personal) -> str:
    return sealed_to_json(personal).decode()


def _consents(text: str) -> tuple[ConsentAnswer, ...]:
    return tuple(ConsentAnswer.model_validate(answer) for answer in orjson.loads(text))


def _consents_text(consents: Sequence[ConsentAnswer]) -> str:
    if not consents:
        return "[]"
    return list_to_json(consents).decode()
