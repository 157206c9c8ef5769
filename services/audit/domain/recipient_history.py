"""What the log says of one recipient: disclosures, of how many people, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from pydantic import JsonValue

from services.audit.domain.arrival import Arrival, arrival
from services.audit.domain.entries import StoredEntry, reading

Outcome = Arrival | Literal["not delivered yet", "refused"]


class Counted(NamedTuple):
    """One disclosure: its first entry, and of how many people data was handed over and was not."""

    disclosure_id: UUID
    first: StoredEntry
    released: int
    refused: int


@dataclass(frozen=True, slots=True)
class RecipientDisclosure:
    """One disclosure to a recipient. Purpose, basis and fields are the same for all its people."""

    sequence: int
    at: datetime
    purpose: str
    legal_basis: str
    fields: tuple[str, ...]
    released: int
    refused: int
    outcome: Outcome
    reason: str | None
    """Why it failed, or may have."""
    plan_digest: str


def recipient_history(
    counted: Sequence[Counted], outcomes: Iterable[StoredEntry]
) -> list[RecipientDisclosure]:
    """Each disclosure with the last word on it, in the order in which they are given."""
    last_word = {}
    for entry in outcomes:
        with reading(entry):
            last_word[str(_data(entry.event)["disclosure_id"])] = entry.event
    told = []
    for one in counted:
        with reading(one.first):
            told.append(_disclosure(one, last_word.get(str(one.disclosure_id))))
    return told


def _disclosure(one: Counted, last_word: Mapping[str, JsonValue] | None) -> RecipientDisclosure:
    data = _data(one.first.event)
    fields = data["fields"]
    reason = None if last_word is None else _data(last_word).get("reason")
    return RecipientDisclosure(
        sequence=one.first.sequence,
        at=datetime.fromisoformat(str(data["at"])),
        purpose=str(data["purpose"]),
        legal_basis=str(data["legal_basis"]),
        fields=tuple(str(name) for name in fields) if isinstance(fields, list) else (),
        released=one.released,
        refused=one.refused,
        outcome=_outcome(one.released, last_word),
        reason=None if reason is None else str(reason),
        plan_digest=str(data["plan_digest"]),
    )


def _outcome(released: int, last_word: Mapping[str, JsonValue] | None) -> Outcome:
    if not released:
        return "refused"
    if last_word is None:
        return "not delivered yet"
    return arrival(str(last_word["type"]), _data(last_word))


def _data(event: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    data = event["data"]
    return data if isinstance(data, dict) else {}
