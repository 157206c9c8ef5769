"""An entry on one line, whatever its bytes are: also of a changed log something has to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from services.audit.domain.entries import StoredEntry


@dataclass(frozen=True, slots=True)
class Line:
    """What an entry is and says, as far as it says it."""

    sequence: int
    type: str
    at: datetime
    recipient: str | None
    purpose: str | None
    subject_id: str | None
    reason: str | None
    plan_digest: str | None


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """The bytes at this place of the log are no entry."""

    sequence: int


def line_of(entry: StoredEntry) -> Line | UnreadableLine:
    """The entry on one line."""
    data = data_of(entry)
    if data is None:
        return UnreadableLine(entry.sequence)

    def said(name: str) -> str | None:
        value = data.get(name)
        return None if value is None else str(value)

    return Line(
        entry.sequence,
        str(entry.event["type"]),
        datetime.fromisoformat(str(data["at"])),
        said("recipient"),
        said("purpose"),
        said("subject_id"),
        said("reason"),
        said("plan_digest"),
    )


def data_of(entry: StoredEntry) -> dict[str, JsonValue] | None:
    """The data of the event that its bytes are; None where they are no entry."""
    try:
        event = entry.event
        data = event["data"]
        if isinstance(data, dict) and isinstance(event["type"], str):
            datetime.fromisoformat(str(data["at"]))
            return data
    except (ValueError, KeyError, TypeError):
        pass
    return None
