"""The keyring as one batch uses it: keys come, seal or open, and are gone with the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import NoReturn

from asyncpg.pgproto.pgproto import UUID  # the driver's own: ten times faster to make

from shared.contract.types import SubjectId
from shared.privacy.errors import NotGrantedError, WrongKeyError
from shared.privacy.sealing import (
    ID_BYTES,
    KEY_BYTES,
    NONCE_BYTES,
    RECORD_CATEGORY,
    DataKey,
    KeyWrapper,
)
from shared.runtime.database import Connection, queries

Random = Callable[[int], bytes]
"""So many unpredictable bytes; `os.urandom` outside tests."""

_sql = queries("queries.sql", __file__)
_TIME_BYTES = 6
_ID_RANDOM = ID_BYTES - _TIME_BYTES
_RANDOM_PER_KEY = _ID_RANDOM + NONCE_BYTES + KEY_BYTES


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
    connection: Connection, wanted: Wanted, *, wrapper: KeyWrapper, random: Random
) -> list[SealingKey]:
    """The newest key of each name in the order of the columns, made where there is none.

    One round trip. NotGrantedError where the keyring gives nothing for a category.
    """
    categories = wanted.categories
    ids, keys, wrapped = _candidates(wanted.moments, wrapper, random)
    rows = _sql.make_keys(
        connection,
        subject_ids=wanted.subject_ids,
        categories=categories,
        contexts=wanted.contexts,
        ats=wanted.moments,
        key_ids=list(map(UUID, ids)),
        wrapped_keys=wrapped,
        made_with=wrapper.id,
    )
    made: list[SealingKey | None] = [None] * len(categories)
    async for places, key_uuid, generation, kek, other, after in rows:
        for place in (number - 1 for number in places):
            key_id = ids[place] if key_uuid is None else key_uuid.bytes
            key: bytes | None = keys[place]
            if key_id != ids[place]:
                key = None if other is None else _unwrap(wrapper, kek, key_id, other)
            data_key = None if key is None else DataKey(key_id, generation, categories[place], key)
            made[place] = SealingKey(data_key, after)
    return [given or _refuse(category) for given, category in zip(made, categories, strict=True)]


def _refuse(category: str) -> NoReturn:
    raise NotGrantedError(f"the keyring does not let this role seal {category!r}")


def _candidates(
    moments: Sequence[datetime], wrapper: KeyWrapper, random: Random
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Ids, data keys and wrapped data keys."""
    pool = random(_RANDOM_PER_KEY * len(moments))
    ids: list[bytes] = []
    keys: list[bytes] = []
    wrapped: list[bytes] = []
    moment, prefix = None, b""
    start = 0
    for at in moments:
        if at is not moment:  # a batch mostly has one
            moment, prefix = at, _time_prefix(at)
        nonce_at, key_at = start + _ID_RANDOM, start + _ID_RANDOM + NONCE_BYTES
        key_id = _key_id(prefix, pool[start:nonce_at])
        start += _RANDOM_PER_KEY
        key = pool[key_at:start]
        ids.append(key_id)
        keys.append(key)
        wrapped.append(wrapper.wrap(key_id, key, pool[nonce_at:key_at]))
    return ids, keys, wrapped


def _time_prefix(moment: datetime) -> bytes:
    return max(int(moment.timestamp() * 1000), 0).to_bytes(_TIME_BYTES, "big")


def _key_id(prefix: bytes, random: bytes) -> bytes:
    """A UUID of version 7 (RFC 9562): ids ascend in time, which keeps their index compact."""
    version = 0x70 | random[0] & 0x0F
    variant = 0x80 | random[2] & 0x3F
    return prefix + bytes((version, random[1], variant)) + random[3:]


async def open_keys(
    connection: Connection, purpose: str, key_ids: Sequence[bytes], *, wrapper: KeyWrapper
) -> dict[bytes, OpeningKey]:
    """The keys of these ids, as far as the role may open their categories for the purpose."""
    opened: dict[bytes, OpeningKey] = {}
    distinct = list(map(UUID, dict.fromkeys(key_ids)))
    rows = _sql.open_keys(connection, purpose=purpose, key_ids=distinct)
    async for key_id, subject_id, category, generation, kek, wrapped in rows:
        key = None if wrapped is None else _unwrap(wrapper, kek, key_id.bytes, wrapped)
        data_key = None if key is None else DataKey(key_id.bytes, generation, category, key)
        opened[key_id.bytes] = OpeningKey(subject_id, category, data_key)
    return opened


def _unwrap(wrapper: KeyWrapper, kek: str, key_id: bytes, wrapped: bytes) -> bytes:
    if kek != wrapper.id:
        raise WrongKeyError("a data key is wrapped by a key-encryption key that is not at hand")
    return wrapper.unwrap(key_id, wrapped)


async def new_record_key(
    connection: Connection, day: date, *, wrapper: KeyWrapper, random: Random
) -> DataKey | None:
    """The calling service's key of the day, made where there is none; None: destroyed already."""
    moment = datetime.combine(day, time(), UTC)
    (key_id,), (key,), (wrapped,) = _candidates([moment], wrapper, random)
    row = await _sql.make_record_key(
        connection, day=day, key_id=UUID(key_id), wrapped=wrapped, made_with=wrapper.id
    )
    if row["key_id"].bytes == key_id:
        return DataKey(key_id, 1, RECORD_CATEGORY, key)
    return _record_key(wrapper, row["key_id"].bytes, row["kek"], row["wrapped"])


async def open_record_keys(
    connection: Connection, key_ids: Sequence[bytes], *, wrapper: KeyWrapper
) -> dict[bytes, DataKey | None]:
    """The calling service's record keys of these ids; None for one that is destroyed."""
    distinct = list(map(UUID, dict.fromkeys(key_ids)))
    return {
        key_id.bytes: _record_key(wrapper, key_id.bytes, kek, wrapped)
        async for key_id, kek, wrapped in _sql.open_record_keys(connection, key_ids=distinct)
    }


def _record_key(
    wrapper: KeyWrapper, key_id: bytes, kek: str, wrapped: bytes | None
) -> DataKey | None:
    if wrapped is None:
        return None
    return DataKey(key_id, 1, RECORD_CATEGORY, _unwrap(wrapper, kek, key_id, wrapped))


async def purge_record_keys(connection: Connection, before: date) -> int:
    """Destroy the calling service's record keys of the days before this one; how many it were."""
    return int(await _sql.destroy_record_keys(connection, before_day=before))


async def know_key_encryption_key(connection: Connection, wrapper: KeyWrapper) -> None:
    """Record the key-encryption key at the first start; later WrongKeyError unless it is known."""
    if not await _sql.know_key_encryption_key(connection, kek=wrapper.id):
        raise WrongKeyError(
            "the keys of this keyring are wrapped by another key-encryption key than the one given:"
            " restore the folder of secrets that belongs to this database, or correct"
            " STEWARD_KEY_ENCRYPTION_KEY or STEWARD_KEY_ENCRYPTION_KEY_COMMAND"
        )


KeyName = tuple[SubjectId | None, str | None, str | None]
"""Subject, category and context; None means every one. Something has to be named."""


async def announce_cut_off(
    connection: Connection, names: Sequence[KeyName], *, cut_off: datetime
) -> None:
    """From the commit on, facts up to `cut_off` (aware) make no key of these names.

    In a transaction before `destroy_keys`, so that makers of keys wait for this short one alone.
    """
    await _sql.announce_cut_off(connection, **_columns(names), up_to=cut_off)


async def destroy_keys(
    connection: Connection, names: Sequence[KeyName], *, cut_off: datetime
) -> dict[str, int]:
    """Destroy the keys of these names; how many it were, by category.

    What they sealed is unreadable once this commits, everywhere. Facts up to `cut_off` (aware) add
    nothing from then on. Only a service that the plan lets erase may call it.
    """
    rows = _sql.destroy_keys(connection, **_columns(names), up_to=cut_off)
    return {category: keys async for category, keys in rows}


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
