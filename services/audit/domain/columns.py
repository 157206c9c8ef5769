"""Whether what an entry is found by in the database is what the entry itself says.

Only its bytes are under the tree: who changes a column changes what a replay or an answer shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, cast

import orjson

from services.audit.domain.entries import LogEntry, NoEntryError, StoredEntry, log_entry, published
from shared.contract.audit import TOPIC, Entry
from shared.contract.codec import decode
from shared.contract.message import Message

NAMED: Final = (
    "id",
    "type",
    "actor",
    "recipient",
    "purpose",
    "subject_id",
    "event_id",
    "disclosure_id",
)
"""The columns that a row has as text, or null, in the array `named`, in this order."""


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    """A record of the topic, as far as an entry tells of it."""

    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    topic: str = TOPIC
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None


class Row(Protocol):
    """A row of the table: its columns by their names, those of `NAMED` in one array."""

    def __getitem__(self, name: str, /) -> Any: ...  # noqa: ANN401 - a column's own type


def fault_of(row: Row) -> str | None:
    """What is wrong with a row: its bytes are no entry, or columns say other than these."""
    try:
        others = _other_columns(row)
    except (ValueError, KeyError, TypeError):
        return "its bytes are no entry"
    return f"columns do not say what its bytes say: {', '.join(others)}" if others else None


def _other_columns(row: Row) -> list[str]:
    event = orjson.loads(row["body"])
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        raise ValueError("the bytes are no entry")
    if _same_at_first_sight(row, event):
        return []
    return _other_than(row, _derived(row["body"]))


def _same_at_first_sight(row: Row, event: Mapping[str, Any]) -> bool:
    """The values as they are written now; whatever is written otherwise is read by contract."""
    data = event["data"]
    has = data.get
    # Written out: a loop over the names takes twice as long, and this is done for every entry.
    told = [
        event["id"],
        event["type"],
        has("actor"),
        has("recipient"),
        has("purpose"),
        has("subject_id"),
        has("event_id"),
        has("disclosure_id"),
    ]
    return bool(
        told == row["named"]
        and has("categories", []) == row["categories"]
        and datetime.fromisoformat(has("at")) == row["at"]
    )


def _derived(body: bytes) -> LogEntry:
    record = published(StoredEntry(0, body))
    message = decode(_Rebuilt(record.data, record.headers))
    if not isinstance(message, Message) or not isinstance(message.data, Entry):
        raise ValueError("the bytes are no entry")
    try:
        return log_entry(cast("Message[Entry]", message))
    except NoEntryError as error:
        raise ValueError(str(error)) from None


def _other_than(row: Row, entry: LogEntry) -> list[str]:
    columns = zip(NAMED, row["named"], named(entry), strict=True)
    others = [name for name, column, value in columns if column != value]
    if row["at"] != entry.at:
        others.append("at")
    if tuple(row["categories"]) != entry.categories:
        others.append("categories")
    return others


def named(entry: LogEntry) -> list[str | None]:
    """What the columns of `NAMED` are for this entry."""
    values = (getattr(entry, name) for name in NAMED)
    return [None if value is None else str(value) for value in values]
