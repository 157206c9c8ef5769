"""What was released and waits for its delivery: rows to values and back, what is asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Final
from uuid import UUID

from shared.contract.types import DisclosureId, EventId, Sealed, SubjectId
from shared.privacy.disclosure import Disclosure, DisclosureRequest, PersonToDisclose, Way
from shared.runtime.database import Connection, queries
from shared.runtime.log_ends import LogEnds

_sql = queries("deliveries.sql", __file__)

NO_LONGER_LISTED: Final = "no-longer-listed"


@dataclass(frozen=True, slots=True)
class Handover:
    """What one disclosure released, sealed. `people` have what of theirs it may contain."""

    id: DisclosureId
    recipient: str
    purpose: str
    fields: tuple[str, ...]
    event_id: EventId | None
    actor: str
    request_reference: str | None
    people: tuple[PersonToDisclose, ...] = field(repr=False)

    def request(self, log_ends: LogEnds) -> DisclosureRequest:
        """The request that it came of, about those who are in it, as they were then."""
        return DisclosureRequest(
            recipient=self.recipient,
            purpose=self.purpose,
            fields=self.fields,
            people=self.people,
            actor=self.actor,
            event_id=self.event_id,
            log_ends=log_ends,
            request_reference=self.request_reference,
        )

    def request_now(self, now: DisclosureRequest) -> DisclosureRequest:
        """What would be asked for `now`, narrowed down to what was released then."""
        known = {person.subject_id: person for person in now.people}
        return replace(
            now, people=[_still(held, known.get(held.subject_id)) for held in self.people]
        )


def _still(held: PersonToDisclose, now: PersonToDisclose | None) -> PersonToDisclose:
    """What was released of a person, under what is known of the person now.

    Who cancelled and registered anew is listed with another registration, whose age and consent
    tell nothing of what was released before.
    """
    if now is None or now.registration_id != held.registration_id:
        return replace(held, refusal=NO_LONGER_LISTED)
    if not held.sealed.keys() <= now.sealed.keys():
        return replace(held, refusal=NO_LONGER_LISTED)
    return replace(now, sealed=held.sealed, fields=held.fields)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What leaves together, at one try. `disclosures` have who is left of each, maybe nobody.

    `id` is that of the first disclosure in it, and the same at every try: a recipient who gets it
    twice knows it by that. `unsure`: the try before has not said what came of it.
    """

    id: DisclosureId
    way: Way
    tries: int
    unsure: bool
    disclosures: Sequence[Disclosure] = ()

    @property
    def recipient(self) -> str:
        """The name that the plan gives to whom all of it is for."""
        return self.disclosures[0].recipient


@dataclass(frozen=True, slots=True)
class Listed:
    """A disclosure and what has become of it, for people to look at. Holds nothing personal."""

    disclosure_id: DisclosureId
    delivery_id: DisclosureId
    recipient: str
    purpose: str
    event_id: EventId | None
    people: int
    actor: str
    state: str
    reason: str | None
    made_at: datetime
    way: Way
    tries: int
    next_try_at: datetime | None


async def list_handovers(connection: Connection, states: Sequence[str]) -> list[Listed]:
    """Those in one of these states (`pending`, `failed`, `delivered`, `withheld`), oldest first."""
    return [Listed(**dict(row)) async for row in _sql.listed(connection, states=states)]


async def way_of(connection: Connection, disclosure_id: UUID) -> Way | None:
    """How a disclosure that waits, or has failed, is to leave; None where it does neither."""
    way: Way | None = await _sql.way_of(connection, disclosure_id=disclosure_id)
    return way


async def handovers_of(connection: Connection, delivery_id: UUID) -> list[Handover]:
    """What leaves together and has not been delivered; locked until the transaction ends."""
    rows = [row async for row in _sql.handovers_of(connection, delivery_id=delivery_id)]
    people = await _people(connection, [row["disclosure_id"] for row in rows])
    return [
        Handover(
            id=DisclosureId(row["disclosure_id"]),
            recipient=row["recipient"],
            purpose=row["purpose"],
            fields=tuple(row["fields"]),
            event_id=row["event_id"],
            actor=row["actor"],
            request_reference=row["request_reference"],
            people=tuple(people.get(row["disclosure_id"], ())),
        )
        for row in rows
    ]


async def _people(
    connection: Connection, disclosure_ids: Sequence[UUID]
) -> Mapping[UUID, list[PersonToDisclose]]:
    rows = [row async for row in _sql.values_of(connection, disclosure_ids=disclosure_ids)]
    people: dict[UUID, list[PersonToDisclose]] = {}
    for (disclosure_id, subject_id), values in groupby(
        rows, lambda row: (row["disclosure_id"], row["subject_id"])
    ):
        held = list(values)
        person = PersonToDisclose(
            SubjectId(subject_id),
            {value["category"]: Sealed(value["sealed"]) for value in held},
            fields=frozenset(name for value in held for name in value["fields"]),
            registration_id=held[0]["registration_id"],
        )
        people.setdefault(disclosure_id, []).append(person)
    return people
