"""The keyring as one batch uses it: keys come, seal or open, and are gone with the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from uuid import UUID

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
_RANDOM_PER_KEY = ID_BYTES - _TIME_BYTES + KEY_BYTES + NONCE_BYTES


@dataclass(frozen=True, slots=True)
class KeyName:
    """What a data key belongs to: a person, a category, and a context (or none: `""`)."""

    subject_id: SubjectId
    category: str
    context: str


@dataclass(frozen=True, slots=True)
class SealingKey:
    """The newest key of a name. `key` is None where it is destroyed.

    `after`: the cut-off of the generation before; facts up to it are not sealed with this one.
    """

    key: DataKey | None
    after: datetime | None = None

    def takes(self, at: datetime) -> bool:
        """Whether a fact of this moment may be sealed with it."""
        return self.key is not None and (self.after is None or at > self.after)


@dataclass(frozen=True, slots=True)
class OpeningKey:
    """A key and whose it is. `key` is None where it is destroyed."""

    subject_id: SubjectId
    category: str
    key: DataKey | None


async def make_keys(
    connection: Connection,
    wanted: Mapping[KeyName, datetime],
    *,
    wrapper: KeyWrapper,
    random: Random,
) -> dict[KeyName, SealingKey]:
    """The newest key of each name, made where there is none; `wanted` has the newest fact's time.

    One round trip. NotGrantedError where the keyring gives nothing for a category.
    """
    names = list(wanted)
    ids, keys, wrapped = _candidates(list(wanted.values()), wrapper, random)
    rows = _sql.make_keys(
        connection,
        subject_ids=[name.subject_id for name in names],
        categories=[name.category for name in names],
        contexts=[name.context for name in names],
        ats=list(wanted.values()),
        key_ids=[UUID(bytes=key_id) for key_id in ids],
        wrapped_keys=wrapped,
        made_with=wrapper.id,
    )
    made: dict[KeyName, SealingKey] = {}
    async for place, key_id, generation, kek, other, after in rows:
        name = names[place - 1]
        key: bytes | None
        if key_id.bytes == ids[place - 1]:
            key = keys[place - 1]
        else:
            key = None if other is None else _unwrap(wrapper, kek, key_id.bytes, other)
        data_key = key and DataKey(key_id.bytes, generation, name.category, key)
        made[name] = SealingKey(data_key or None, after)
    for name in names:
        if name not in made:
            raise NotGrantedError(f"the keyring does not let this role seal {name.category!r}")
    return made


def _candidates(
    moments: Sequence[datetime], wrapper: KeyWrapper, random: Random
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Ids, data keys and wrapped data keys. The ids ascend in time (RFC 9562, version 7), which
    keeps their index in the keyring small.
    """
    pool = memoryview(random(_RANDOM_PER_KEY * len(moments)))
    ids: list[bytes] = []
    keys: list[bytes] = []
    wrapped: list[bytes] = []
    for place, moment in enumerate(moments):
        own = pool[place * _RANDOM_PER_KEY : (place + 1) * _RANDOM_PER_KEY]
        key_id = new_key_id(moment, bytes(own[: ID_BYTES - _TIME_BYTES]))
        key = bytes(own[-KEY_BYTES:])
        nonce = bytes(own[ID_BYTES - _TIME_BYTES : -KEY_BYTES])
        ids.append(key_id)
        keys.append(key)
        wrapped.append(wrapper.wrap(key_id, key, nonce))
    return ids, keys, wrapped


def new_key_id(moment: datetime, random: bytes) -> bytes:
    """A UUID of version 7 from a moment and 10 random bytes."""
    milliseconds = max(int(moment.timestamp() * 1000), 0)
    return b"".join(
        (
            milliseconds.to_bytes(_TIME_BYTES, "big"),
            bytes((0x70 | random[0] & 0x0F, random[1], 0x80 | random[2] & 0x3F)),
            random[3:],
        )
    )


async def open_keys(
    connection: Connection, purpose: str, key_ids: Sequence[bytes], *, wrapper: KeyWrapper
) -> dict[bytes, OpeningKey]:
    """The keys of these ids, as far as the role may open their categories for the purpose."""
    opened: dict[bytes, OpeningKey] = {}
    distinct = [UUID(bytes=key_id) for key_id in dict.fromkeys(key_ids)]
    rows = _sql.open_keys(connection, purpose=purpose, key_ids=distinct)
    async for key_id, subject_id, category, generation, kek, wrapped in rows:
        key = None if wrapped is None else _unwrap(wrapper, kek, key_id.bytes, wrapped)
        data_key = key and DataKey(key_id.bytes, generation, category, key)
        opened[key_id.bytes] = OpeningKey(subject_id, category, data_key or None)
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
        connection, day=day, key_id=UUID(bytes=key_id), wrapped=wrapped, made_with=wrapper.id
    )
    if row["key_id"].bytes == key_id:
        return DataKey(key_id, 1, RECORD_CATEGORY, key)
    return _record_key(wrapper, row["key_id"].bytes, row["kek"], row["wrapped"])


async def open_record_keys(
    connection: Connection, key_ids: Sequence[bytes], *, wrapper: KeyWrapper
) -> dict[bytes, DataKey | None]:
    """The calling service's record keys of these ids; None for one that is destroyed."""
    distinct = [UUID(bytes=key_id) for key_id in dict.fromkeys(key_ids)]
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
            "the keys of this keyring are wrapped by another key-encryption key than the one in"
            " the secrets folder: restore the folder that belongs to this database"
        )


async def destroy_keys(
    connection: Connection,
    names: Sequence[tuple[SubjectId, str | None, str | None]],
    *,
    cut_off: datetime,
) -> int:
    """Destroy the keys of (subject, category, context), None meaning every one; how many it were.

    What they sealed is unreadable once this commits, everywhere. Facts up to `cut_off` (aware) add
    nothing from then on. Only a service that the plan lets erase may call it.
    """
    return int(
        await _sql.destroy_keys(
            connection,
            subject_ids=[subject_id for subject_id, _, _ in names],
            categories=[category for _, category, _ in names],
            contexts=[context for _, _, context in names],
            up_to=cut_off,
        )
    )
