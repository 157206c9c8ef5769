"""What the log says of one person: disclosures with what became of them, and readings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from pydantic import JsonValue

from services.audit.domain.arrival import Arrival, arrival, last_words
from services.audit.domain.entries import StoredEntry, data_in, reading

Handed = Literal["disclosed", "transmitted", "refused"]
HANDED: Mapping[str, Handed] = {
    "DataDisclosed": "disclosed",
    "DataTransmitted": "transmitted",
    "DataDisclosedToAuthority": "disclosed",
    "DisclosureRefused": "refused",
}


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What the log says of one person in one disclosure (article 15(1)(c))."""

    sequence: int
    at: datetime
    kind: Handed
    disclosure_id: UUID
    recipient: str
    purpose: str
    legal_basis: str
    fields: tuple[str, ...]
    event_id: UUID | None
    actor: str
    plan_digest: str
    """Of the plan that it was made under, which names recipient, purpose and fields."""
    reason: str | None
    outcome: Arrival | Literal["not delivered yet", "refused"]
    outcome_at: datetime | None


@dataclass(frozen=True, slots=True)
class Access:
    """A reading of one person's data."""

    sequence: int
    at: datetime
    purpose: str
    fields: tuple[str, ...]
    plan_digest: str
    by: str


@dataclass(frozen=True, slots=True)
class History:
    """Everything that the log says of one person, in the order of the log."""

    subject_id: UUID
    same_person: tuple[UUID, ...]
    """Subjects that proved to be the same person; what is said of them is in here."""
    disclosures: tuple[Disclosure, ...]
    accesses: tuple[Access, ...]

    def since(self, moment: datetime) -> History:
        """What of it is of this moment or later."""
        return replace(
            self,
            disclosures=tuple(one for one in self.disclosures if one.at >= moment),
            accesses=tuple(one for one in self.accesses if one.at >= moment),
        )

    def with_readings_since(self, moment: datetime) -> History:
        """The same without earlier readings."""
        return replace(self, accesses=tuple(one for one in self.accesses if one.at >= moment))

    @property
    def tells_nothing(self) -> bool:
        """Whether there is nothing to be told, such as of who was linked or erased and no more."""
        return not self.disclosures and not self.accesses

    @property
    def plan_digests(self) -> frozenset[str]:
        """Of the plans that it was made under."""
        handed = {one.plan_digest for one in self.disclosures}
        return frozenset(handed | {one.plan_digest for one in self.accesses})


def history(
    subject_ids: Sequence[UUID], entries: Iterable[StoredEntry], outcomes: Iterable[StoredEntry]
) -> History:
    """What the entries of one person say, with what became of each disclosure."""
    last_word = last_words(outcomes)
    events, withheld = [], {}
    for entry in entries:
        with reading(entry):
            event = entry.event
            events.append((entry, event))
            if event["type"] == "DisclosureWithheld":
                data = data_in(event)
                withheld[data["disclosure_id"], data["subject_id"]] = event
    disclosures, accesses = [], []
    for entry, event in events:
        with reading(entry):
            data = data_in(event)
            kind = HANDED.get(str(event["type"]))
            if kind is not None:
                disclosure_id, subject_id = data["disclosure_id"], data["subject_id"]
                # Others of the disclosure may have been delivered: it is about this person alone.
                said = withheld.get((disclosure_id, subject_id), last_word.get(str(disclosure_id)))
                disclosures.append(_disclosure(entry.sequence, kind, data, said))
            elif event["type"] == "DataAccessed":
                accesses.append(_access(entry.sequence, data))
    return History(subject_ids[0], tuple(subject_ids[1:]), tuple(disclosures), tuple(accesses))


def _disclosure(
    sequence: int,
    kind: Handed,
    data: Mapping[str, JsonValue],
    outcome: Mapping[str, JsonValue] | None,
) -> Disclosure:
    event_id = data.get("event_id")
    said = None if outcome is None else data_in(outcome)
    reason = data.get("reason") or (said or {}).get("reason")
    return Disclosure(
        sequence=sequence,
        at=_moment(data["at"]),
        kind=kind,
        disclosure_id=UUID(str(data["disclosure_id"])),
        recipient=str(data["recipient"]),
        purpose=str(data["purpose"]),
        legal_basis=str(data["legal_basis"]),
        fields=_names(data["fields"]),
        event_id=None if event_id is None else UUID(str(event_id)),
        actor=str(data["actor"]),
        plan_digest=str(data["plan_digest"]),
        reason=None if reason is None else str(reason),
        outcome=_outcome(kind, outcome),
        outcome_at=None if said is None or kind == "refused" else _moment(said["at"]),
    )


def _outcome(
    kind: Handed, outcome: Mapping[str, JsonValue] | None
) -> Arrival | Literal["not delivered yet", "refused"]:
    if kind == "refused":
        return "refused"
    if outcome is None:
        return "not delivered yet"
    return arrival(outcome)


def _access(sequence: int, data: Mapping[str, JsonValue]) -> Access:
    return Access(
        sequence=sequence,
        at=_moment(data["at"]),
        purpose=str(data["purpose"]),
        fields=_names(data["fields"]),
        plan_digest=str(data["plan_digest"]),
        by=str(data.get("by", "staff")),
    )


def _names(value: JsonValue) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list) else ()


def _moment(value: JsonValue) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)
