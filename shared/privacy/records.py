"""Whole record bodies, sealed under a key of (service, day) that lives for 30 days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from shared.contract.types import Sealed
from shared.privacy.errors import PrivacyError, SealError
from shared.privacy.keyring import new_record_key, open_record_keys, purge_record_keys
from shared.privacy.sealing import NONCE_BYTES, DataKey, key_id_of, open_bytes, seal_bytes
from shared.privacy.wrapping import KeyWrappers, Random
from shared.runtime.database import Connection

KEPT = timedelta(days=30)
"""So long a body that could not be handled can be opened (design, section 4)."""


async def seal_records(
    connection: Connection,
    day: date,
    bodies: Sequence[bytes],
    *,
    wrappers: KeyWrappers,
    random: Random,
) -> list[Sealed]:
    """Seal bodies under the key of the calling service and the day. One round trip."""
    if not bodies:
        return []
    key = await new_record_key(connection, day, wrappers=wrappers, random=random)
    if key is None:
        raise PrivacyError(f"the record key of {day} is destroyed: the day is too long ago")
    nonces = random(NONCE_BYTES * len(bodies))
    return [
        seal_bytes(key, body, nonces[place * NONCE_BYTES : (place + 1) * NONCE_BYTES])
        for place, body in enumerate(bodies)
    ]


async def open_records(
    connection: Connection, sealed: Sequence[Sealed], *, wrappers: KeyWrappers
) -> list[bytes | None]:
    """Open bodies of the calling service; None where the day's key is destroyed."""
    ids = [key_id_of(value) for value in sealed]
    keys = await open_record_keys(connection, ids, wrappers=wrappers)
    return [_open(keys, key_id, value) for key_id, value in zip(ids, sealed, strict=True)]


def _open(keys: dict[bytes, DataKey | None], key_id: bytes, sealed: Sealed) -> bytes | None:
    if key_id not in keys:
        raise SealError("a record body is sealed with a key that is not this service's")
    key = keys[key_id]
    return None if key is None else open_bytes(key, sealed)


async def purge(connection: Connection, today: date) -> int:
    """Destroy the calling service's keys of days more than 30 days ago; how many it were."""
    return await purge_record_keys(connection, today - KEPT)
