"""Whether sealed values can be opened, each, without anybody's seeing what is in them.

The administrator's work: it needs the keys of all services. What is opened is dropped at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple
from uuid import UUID

import asyncpg

from shared.privacy.errors import SealError
from shared.privacy.sealing import DataKey, key_id_of, open_bytes
from shared.privacy.wrapping import KeyWrappers, WrappedKey
from shared.runtime.database import Administrator, queries, role_name

Fault = Literal[
    "not_sealed", "no_key", "no_key_encryption_key", "key_altered", "altered", "elsewhere"
]
"""Why a value cannot be opened: it is none; the ring has no such key, nor a tombstone of it; what
wraps its key is not at hand; its key was altered; it was altered; by its row it is another's."""

EXAMPLES_TOLD: Final = 5

_sql = queries("checking.sql", __file__)


class SealedValue(NamedTuple):
    """A value as its row has it. `subject_id` and `category` are None where the row names none."""

    subject_id: UUID | None
    category: str | None
    sealed: bytes


@dataclass(slots=True)
class Verdict:
    """What became of the values of one column. Key ids are no personal data."""

    opened: int = 0
    destroyed: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    examples: dict[Fault, list[str]] = field(default_factory=dict)

    def add_fault(self, fault: Fault, key_id: bytes | None) -> None:
        """Count it, and keep the key ids of the first."""
        self.faults[fault] += 1
        examples = self.examples.setdefault(fault, [])
        if key_id is not None and len(examples) < EXAMPLES_TOLD:
            examples.append(str(UUID(bytes=key_id)))


@dataclass(frozen=True, slots=True)
class _Key:
    """A key of the ring, whose it is, and in clear; or why it cannot be unwrapped."""

    subject_id: UUID | None
    category: str
    service_role: str | None
    is_destroyed: bool
    key: DataKey | None
    fault: Fault


async def check_page(
    administrator: Administrator,
    wrappers: KeyWrappers,
    service: str,
    values: Sequence[SealedValue],
    verdict: Verdict,
) -> None:
    """Try to open each value of a service's column, and count what came of it."""
    ids = [_key_id(value.sealed) for value in values]
    keys = await _keys(administrator, wrappers, {one for one in ids if one is not None})
    for value, key_id in zip(values, ids, strict=True):
        if key_id is None:
            verdict.add_fault("not_sealed", None)
            continue
        outcome = _outcome(keys.get(key_id), value, role_name(service))
        if outcome == "opened":
            verdict.opened += 1
        elif outcome == "destroyed":
            verdict.destroyed += 1
        else:
            verdict.add_fault(outcome, key_id)


def _key_id(sealed: bytes) -> bytes | None:
    try:
        return key_id_of(sealed)
    except SealError:
        return None


def _outcome(
    key: _Key | None, value: SealedValue, role: str
) -> Literal["opened", "destroyed"] | Fault:
    if key is None:
        return "no_key"
    if not _belongs(key, value, role):
        return "elsewhere"
    if key.is_destroyed:
        return "destroyed"
    if key.key is None:
        return key.fault
    try:
        open_bytes(key.key, value.sealed)
    except SealError:
        return "altered"
    return "opened"


def _belongs(key: _Key, value: SealedValue, role: str) -> bool:
    """As the doors see it: by person and category, or for whole records by service."""
    if value.category is None:
        return key.service_role == role
    return (key.subject_id, key.category) == (value.subject_id, value.category)


async def _keys(
    administrator: Administrator, wrappers: KeyWrappers, ids: set[bytes]
) -> Mapping[bytes, _Key]:
    asked = [UUID(bytes=key_id) for key_id in ids]
    rows = [row async for row in _sql.keys_by_id(administrator, key_ids=asked)]
    at_hand = {
        kek: await wrappers.has(kek) for kek in {row["kek"] for row in rows if row["wrapped"]}
    }
    usable = [
        WrappedKey(row["kek"], row["key_id"].bytes, row["wrapped"])
        for row in rows
        if row["wrapped"] is not None and at_hand[row["kek"]]
    ]
    clear = await wrappers.unwrap_sound(usable)
    return {
        row["key_id"].bytes: _key(row, clear, is_at_hand=at_hand.get(row["kek"], False))
        for row in rows
    }


def _key(row: asyncpg.Record, clear: Mapping[bytes, bytes], *, is_at_hand: bool) -> _Key:
    key_id: bytes = row["key_id"].bytes
    key = clear.get(key_id)
    return _Key(
        row["subject_id"],
        row["category"],
        row["service_role"],
        is_destroyed=row["wrapped"] is None,
        key=None if key is None else DataKey(key_id, row["generation"], row["category"], key),
        fault="key_altered" if is_at_hand else "no_key_encryption_key",
    )
