"""Does this keyring belong to the secrets at hand? Asked before anybody is given a new password."""

from __future__ import annotations

from shared.privacy.wrapping import KeyWrappers
from shared.runtime.database import Administrator, queries

_sql = queries("belonging.sql", __file__)


async def belongs(administrator: Administrator, wrappers: KeyWrappers) -> bool:
    """Whether a key-encryption key at hand wraps or wrapped keys of this database's keyring, or
    none does yet, because no service has started here. Records nothing. Raises what reading the
    keys raises, where there is something to compare them with.
    """
    if not await _sql.has_keyring(administrator):
        return True
    recorded = {row["kek"] async for row in _sql.recorded_key_encryption_keys(administrator)}
    return not recorded or not recorded.isdisjoint(await wrappers.read())
