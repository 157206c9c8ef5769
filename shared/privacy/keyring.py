"""The keyring as one batch uses it: keys come, seal or open, and are gone with the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import NamedTuple, NoReturn

import asyncpg
from asyncpg.pgproto.pgproto import UUID  # the driver's own: ten times faster to make

from shared.contract.types import SubjectId
from shared.privacy.errors import NotGrantedError, WrongKeyError
from shared.privacy.sealing import ID_BYTES, KEY_BYTES, RECORD_CATEGORY, DataKey
from shared.privacy.wrapping import KeyWrappers, PlainKey, Random, WrappedKey
from shared.runtime.database import Connection, queries

_sql = queries("queries.sql", __file__)
_TIME_BYTES = 6
_ID_RANDOM = ID_BYTES - _TIME_BYTES
_RANDOM_PER_KEY = _ID_RANDOM + KEY_BYTES


@dataclass(slots=True)
class Wanted:
    """Names of keys in columns: person, category and context (or none, `""`), no name twice, each
    with the time of the newest fact that wants it.
    """

    subject_ids: list[SubjectId] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    _places: dict[tuple[int, str, str], int] = field(default_factory=dict)

    def add(self, subject_id: SubjectId, category: str, context: str, at: datetime) -> int:
        """The place of the name in the columns."""
        places = self._places
        name = (subject_id.int, category, context)
        place = places.setdefault(name, len(places))
        if place == len(self.moments):
            self.subject_ids.append(subject_id)
            self.categories.append(category)
            self.contexts.append(context)
            self.moments.append(at)
        elif at > self.moments[place]:
            self.moments[place] = at
        return place


class SealingKey:
    """The newest key of a name. `key` is None where it is destroyed.

    `after`: the cut-off of the generation before; facts up to it are not sealed with this one.
    """

    __slots__ = ("after", "key")

    def __init__(self, key: DataKey | None, after: datetime | None) -> None:
        self.key = key
        self.after = after

    def for_fact(self, at: datetime) -> DataKey | None:
        """The key, where a fact of this moment may be sealed with it."""
        return self.key if self.after is None or at > self.after else None


@dataclass(frozen=True, slots=True)
class OpeningKey:
    """A key and whose it is. `key` is None where it is destroyed."""

    subject_id: SubjectId
    category: str
    key: DataKey | None


async def make_keys(
    connection: Connection, wanted: Wanted, *, wrappers: KeyWrappers, random: Random
) -> list[SealingKey]:
    """The newest key of each name in the order of the columns, made where there is none.

    One round trip, and another one where the current key-encryption key is not the one that was
    known here. NotGrantedError where the keyring gives nothing for a category.
    """
    candidates = _candidates(wanted.moments, random)
    while True:
        made_with, wrapped = await wrappers.wrap(candidates)
        rows = [
            row
            async for row in _sql.make_keys(
                connection,
                subject_ids=wanted.subject_ids,
                categories=wanted.categories,
                contexts=wanted.contexts,
                ats=wanted.moments,
                key_ids=[UUID(candidate.id) for candidate in candidates],
                wrapped_keys=wrapped,
                made_with=made_with,
            )
        ]
        if rows[0]["places"] is not None:
            return await _newest(wanted.categories, candidates, rows, wrappers)
        await wrappers.make_current(rows[0]["kek"])


async def _newest(
    categories: Sequence[str],
    candidates: Sequence[PlainKey],
    rows: Sequence[asyncpg.Record],
    wrappers: KeyWrappers,
) -> list[SealingKey]:
    """What the rows of `make_keys` say of each place."""
    of_others = [
        WrappedKey(kek, key_id.bytes, wrapped)
        for _, key_id, _, kek, wrapped, _ in rows
        if wrapped is not None
    ]
    keys = dict(zip((key.id for key in of_others), await wrappers.unwrap(of_others), strict=True))
    newest: list[SealingKey | None] = [None] * len(categories)
    for places, key_uuid, generation, _, _, after in rows:
        for place in (number - 1 for number in places):
            candidate = candidates[place]
            key_id = candidate.id if key_uuid is None else key_uuid.bytes
            key = candidate.key if key_id == candidate.id else keys.get(key_id)
            data_key = None if key is None else DataKey(key_id, generation, categories[place], key)
            newest[place] = SealingKey(data_key, after)
    return [given or _refuse(category) for given, category in zip(newest, categories, strict=True)]


def _refuse(category: str) -> NoReturn:
    raise NotGrantedError(f"the keyring does not let this role seal {category!r}")


def _candidates(moments: Sequence[datetime], random: Random) -> list[PlainKey]:
    pool = random(_RANDOM_PER_KEY * len(moments))
    candidates: list[PlainKey] = []
    moment, prefix = None, b""
    start = 0
    for at in moments:
        if at is not moment:  # a batch mostly has one
            moment, prefix = at, _time_prefix(at)
        key_at = start + _ID_RANDOM
        end = start + _RANDOM_PER_KEY
        candidates.append(PlainKey(_key_id(prefix, pool[start:key_at]), pool[key_at:end]))
        start = end
    return candidates


def _time_prefix(moment: datetime) -> bytes:
    return max(int(moment.timestamp() * 1000), 0).to_bytes(_TIME_BYTES, "big")


def _key_id(prefix: bytes, random: bytes) -> bytes:
    """A UUID of version 7 (RFC 9562): ids ascend in time, which keeps their index compact."""
    version = 0x70 | random[0] & 0x0F
    variant = 0x80 | random[2] & 0x3F
    return prefix + bytes((version, random[1], variant)) + random[3:]


async def open_keys(
    connection: Connection, purpose: str, key_ids: Sequence[bytes], *, wrappers: KeyWrappers
) -> dict[bytes, OpeningKey]:
    """The keys of these ids, as far as the role may open their categories for the purpose."""
    distinct = list(map(UUID, dict.fromkeys(key_ids)))
    rows = [row async for row in _sql.open_keys(connection, purpose=purpose, key_ids=distinct)]
    keys = await _unwrapped([(kek, key_id, wrapped) for key_id, *_, kek, wrapped in rows], wrappers)
    opened: dict[bytes, OpeningKey] = {}
    for (key_id, subject_id, category, generation, _, _), key in zip(rows, keys, strict=True):
        data_key = None if key is None else DataKey(key_id.bytes, generation, category, key)
        opened[key_id.bytes] = OpeningKey(subject_id, category, data_key)
    return opened


async def _unwrapped(
    rows: Sequence[tuple[str, UUID, bytes | None]], wrappers: KeyWrappers
) -> list[bytes | None]:
    """Of each row its key in clear, None for one that is destroyed."""
    alive = [WrappedKey(kek, key_id.bytes, key) for kek, key_id, key in rows if key is not None]
    keys = iter(await wrappers.unwrap(alive))
    return [None if wrapped is None else next(keys) for _, _, wrapped in rows]


async def new_record_key(
    connection: Connection, day: date, *, wrappers: KeyWrappers, random: Random
) -> DataKey | None:
    """The calling service's key of the day, made where there is none; None: destroyed already."""
    (candidate,) = _candidates([datetime.combine(day, time(), UTC)], random)
    while True:
        made_with, (wrapped,) = await wrappers.wrap([candidate])
        row = await _sql.make_record_key(
            connection, day=day, key_id=UUID(candidate.id), wrapped=wrapped, made_with=made_with
        )
        if row["key_id"] is not None:
            break
        await wrappers.make_current(row["kek"])
    if row["key_id"].bytes == candidate.id:
        return _record_key(candidate.id, candidate.key)
    (key,) = await _unwrapped([(row["kek"], row["key_id"], row["wrapped"])], wrappers)
    return _record_key(row["key_id"].bytes, key)


async def open_record_keys(
    connection: Connection, key_ids: Sequence[bytes], *, wrappers: KeyWrappers
) -> dict[bytes, DataKey | None]:
    """The calling service's record keys of these ids; None for one that is destroyed."""
    distinct = list(map(UUID, dict.fromkeys(key_ids)))
    rows = [row async for row in _sql.open_record_keys(connection, key_ids=distinct)]
    keys = await _unwrapped([(kek, key_id, wrapped) for key_id, kek, wrapped in rows], wrappers)
    return {
        row["key_id"].bytes: _record_key(row["key_id"].bytes, key)
        for row, key in zip(rows, keys, strict=True)
    }


def _record_key(key_id: bytes, key: bytes | None) -> DataKey | None:
    return None if key is None else DataKey(key_id, 1, RECORD_CATEGORY, key)


async def purge_record_keys(connection: Connection, before: date) -> int:
    """Destroy the calling service's record keys of the days before this one; how many it were."""
    return int(await _sql.destroy_record_keys(connection, before_day=before))


async def know_key_encryption_keys(connection: Connection, wrappers: KeyWrappers) -> None:
    """Learn which key-encryption key is current; the first start of all records the newest.

    WrongKeyError unless every one that keys of this ring are wrapped by is at hand.
    """
    at_hand = await wrappers.read()
    rows = [row async for row in _sql.know_key_encryption_keys(connection, at_hand=at_hand)]
    missing = [kek for kek, _ in rows if kek not in at_hand]
    if len(missing) == len(rows):
        raise WrongKeyError(
            "the keys of this keyring are wrapped by another key-encryption key than the one given:"
            " restore the folder of secrets that belongs to this database, or correct"
            " STEWARD_KEY_ENCRYPTION_KEY or STEWARD_KEY_ENCRYPTION_KEY_COMMAND"
        )
    if missing:
        raise WrongKeyError(
            "keys of this keyring are wrapped by two key-encryption keys, and one is not at hand:"
            f" {missing[0][:8]}. Give both until `steward keys rotate` has come to its end"
        )
    await wrappers.make_current(next(kek for kek, current in rows if current))


async def retire_key_encryption_keys(connection: Connection) -> list[tuple[str, str, int]]:
    """Retire each that was replaced and wraps nothing any more.

    Of each its id, that of the one which replaced it, and how many keys were wrapped anew. Only for
    a service that the plan lets erase.
    """
    rows = _sql.retire_key_encryption_keys(connection)
    return [(kek, current, rewrapped) async for kek, current, rewrapped in rows]


KeyName = tuple[SubjectId | None, str | None, str | None]
"""Subject, category and context; None means every one. Something has to be named."""

KeyOfPerson = tuple[SubjectId, str, str]
"""Subject, category and context of single keys: one and those that came after it."""


class Counted(NamedTuple):
    """Of one name, how many keys were destroyed, and how many are alive still."""

    destroyed: int
    alive: int


async def announce_cut_off(
    connection: Connection, names: Sequence[KeyName], *, cut_off: datetime
) -> None:
    """From the commit on, facts up to `cut_off` (aware) make no key of these names.

    In a transaction before `destroy_keys`, so that makers of keys wait for this short one alone.
    """
    await _sql.announce_cut_off(connection, **_columns(names), up_to=cut_off)


async def destroy_keys(
    connection: Connection, names: Sequence[KeyName], *, cut_off: datetime
) -> dict[SubjectId | None, dict[str, int]]:
    """Destroy the keys of these names; how many it were, by person and category, with all people
    whom no name has under None.

    What they sealed is unreadable once this commits, everywhere. Facts up to `cut_off` (aware) add
    nothing from then on. Only a service that the plan lets erase may call it.
    """
    gone: dict[SubjectId | None, dict[str, int]] = {}
    rows = _sql.destroy_keys(connection, **_columns(names), up_to=cut_off)
    async for subject_id, category, keys in rows:
        gone.setdefault(subject_id, {})[category] = keys
    return gone


async def close_keys(connection: Connection, up_to: Mapping[KeyOfPerson, datetime]) -> None:
    """From the commit on, facts later than the moment (aware) of their key's name begin a new key,
    and facts up to it add nothing where there was none. What the old ones sealed can still be read.
    """
    names = list(up_to)
    await _sql.close_keys(connection, **_columns(names), up_tos=[up_to[name] for name in names])


async def destroy_closed_keys(
    connection: Connection, names: Sequence[KeyOfPerson]
) -> dict[KeyOfPerson, Counted]:
    """Destroy those keys of these names that are closed, each of which has or had one. What they
    sealed is unreadable once this commits. Only a service that the plan lets erase may call it.
    """
    rows = _sql.destroy_closed_keys(connection, **_columns(names))
    return {
        (SubjectId(subject_id), category, context): Counted(destroyed, alive)
        async for subject_id, category, context, destroyed, alive in rows
    }


async def ask_erasure(
    connection: Connection, subject_ids: Sequence[SubjectId], *, cut_off: datetime
) -> None:
    """Count people as erased once no key of theirs is alive, unless they come back: a fact later
    than `cut_off` (aware) made a key. Each subject of a person has to be named.
    """
    await _sql.ask_erasure(connection, subject_ids=subject_ids, up_to=cut_off)


async def count_keys(connection: Connection, names: Sequence[KeyName]) -> dict[str, int]:
    """How many keys of these names are alive, by category."""
    rows = _sql.count_keys(connection, **_columns(names))
    return {category: keys async for category, keys in rows}


def _columns(names: Sequence[KeyName]) -> dict[str, list[object]]:
    return {
        "subject_ids": [subject_id for subject_id, _, _ in names],
        "categories": [category for _, category, _ in names],
        "contexts": [context for _, _, context in names],
    }
