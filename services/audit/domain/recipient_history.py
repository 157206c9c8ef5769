"""What the log says of one recipient: disclosures, of how many people, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from pydantic import JsonValue

from services.audit.domain.arrival import Arrival, arrival, last_words
from services.audit.domain.entries import StoredEntry, data_in, reading

Outcome = Arrival | Literal["not delivered yet", "refused", "withheld"]


class Counted(NamedTuple):
    """One disclosure: its first entry, and of how many people data was handed over and was not.

    `withheld` were released first, and left out before it left. `unsure` are among `released`: they
    were withheld too, but may have been in what an earlier try left there.
    """

    disclosure_id: UUID
    first: StoredEntry
    released: int
    refused: int
    withheld: int
    unsure: int


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
    withheld: int
    outcome: Outcome
    reason: str | None
    """Why it failed, or may have."""
    plan_digest: str


def recipient_history(
    counted: Sequence[Counted], outcomes: Iterable[StoredEntry]
) -> list[RecipientDisclosure]:
    """Each disclosure with the last word on it, in the order in which they are given."""
    last_word = last_words(outcomes)
    told = []
    for one in counted:
        with reading(one.first):
            told.append(_disclosure(one, last_word.get(str(one.disclosure_id))))
    return told


def _disclosure(one: Counted, last_word: Mapping[str, JsonValue] | None) -> RecipientDisclosure:
    data = data_in(one.first.event)
    fields = data["fields"]
    # Of what was refused or withheld each person has a reason of their own.
    reason = data_in(last_word).get("reason") if last_word is not None and one.released else None
    return RecipientDisclosure(
        sequence=one.first.sequence,
        at=datetime.fromisoformat(str(data["at"])),
        purpose=str(data["purpose"]),
        legal_basis=str(data["legal_basis"]),
        fields=tuple(str(name) for name in fields) if isinstance(fields, list) else (),
        released=one.released,
        refused=one.refused,
        withheld=one.withheld,
        outcome=_outcome(one, last_word),
        reason=None if reason is None else str(reason),
        plan_digest=str(data["plan_digest"]),
    )


def _outcome(one: Counted, last_word: Mapping[str, JsonValue] | None) -> Outcome:
    if not one.released:
        return "withheld" if one.withheld else "refused"
    said = None if last_word is None else arrival(last_word)
    # Where everybody is withheld that is the last word: nothing is said of the whole any more.
    if said != "delivered" and one.unsure == one.released:
        return "may have arrived"
    if said is None:
        return "not delivered yet"
    return said
