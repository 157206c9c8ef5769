"""Wraps every data key anew under another key-encryption key while services run (ADR 40).

Two steps, each safe to be killed in: another key becomes current, from when on nothing is made
under the one before; then what that one wrapped is wrapped anew, a page at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from shared.privacy.errors import WrongKeyError
from shared.privacy.wrapping import KeyWrappers, PlainKey, WrappedKey
from shared.runtime.database import Administrator, queries

PAGE: Final = 1_000
LONGEST_WAIT_S: Final = 30.0
"""The server ends a service's transaction sooner (0.8 of its session time-out, mostly 8 s)."""

LOOK_AGAIN_S: Final = 0.2
"""A key that somebody is destroying is looked at again after so long."""

_FIRST: Final = UUID(int=0)

_sql = queries("rotation.sql", __file__)


@dataclass(frozen=True, slots=True)
class Ring:
    """Ids of key-encryption keys: the current one, those that still wrap what was made before, and
    those that wrap nothing any more, with the time (aware) since when.
    """

    current: str
    replaced: tuple[str, ...]
    retired: Mapping[str, datetime]

    def was_rotated_since(self, moment: datetime) -> bool:
        """Whether a rotation came to its end after that moment (aware)."""
        return any(at > moment for at in self.retired.values())


async def read_ring(administrator: Administrator) -> Ring:
    """How far a rotation has come, where a service has started before."""
    rows = [row async for row in _sql.key_encryption_keys(administrator)]
    (current,) = (kek for kek, is_current, _ in rows if is_current)
    return Ring(
        current,
        tuple(kek for kek, is_current, retired_at in rows if not is_current and not retired_at),
        {kek: retired_at for kek, _, retired_at in rows if retired_at},
    )


async def replace(administrator: Administrator, before: str, kek: str) -> None:
    """Make another key-encryption key current: once this returns nothing is made under `before`.

    Waits for who makes keys at this moment, and they for this. WrongKeyError where `before` is not
    current any more; LockNotAvailableError where somebody's work does not come to its end in time.
    """
    async with administrator.transaction():
        await administrator.execute(f"set local lock_timeout = {LONGEST_WAIT_S * 1000:.0f}")
        await _sql.hold_all_makers(administrator)
        if await _sql.replace_current(administrator, before=before) is None:
            raise WrongKeyError(
                "meanwhile another key-encryption key became current: look again what is to be done"
            )
        await _sql.add_current(administrator, kek=kek)


async def count_wrapped(administrator: Administrator, kek: str) -> int:
    """How many keys that are alive a key-encryption key wraps. Reads the whole ring."""
    return int(await _sql.count_wrapped_by(administrator, kek=kek))


async def rewrap(
    administrator: Administrator,
    wrappers: KeyWrappers,
    before: str,
    progress: Callable[[int], None],
) -> int:
    """Wrap anew what `before` has wrapped, until it wraps nothing but keys that were altered, which
    nobody can unwrap; how many those are. `progress` is told how many it has wrapped anew.

    Each page is a transaction of its own, and no lock is held while keys are unwrapped and wrapped.
    KeyUnavailableError as `KeyWrappers` raises it: what was done stays done.
    """
    await _sql.plan_each_page(administrator)
    while True:
        after, altered = _FIRST, 0
        while page := await _page(administrator, before, after):
            wrapped_anew, at_fault = await _rewrap_page(administrator, wrappers, before, page)
            progress(wrapped_anew)
            altered += at_fault
            after = page[-1][0]
        if await count_wrapped(administrator, before) <= altered:
            return altered
        await asyncio.sleep(LOOK_AGAIN_S)


Page: TypeAlias = Sequence[tuple[UUID, bytes]]


async def _page(administrator: Administrator, before: str, after: UUID) -> Page:
    rows = _sql.page_wrapped_by(administrator, kek=before, after=after, most=PAGE)
    return [(key_id, wrapped) async for key_id, wrapped in rows]


async def _rewrap_page(
    administrator: Administrator, wrappers: KeyWrappers, before: str, page: Page
) -> tuple[int, int]:
    """How many of its keys were wrapped anew, and how many nobody can unwrap."""
    wrapped = [WrappedKey(before, key_id.bytes, key) for key_id, key in page]
    keys = [PlainKey(*one) for one in (await wrappers.unwrap_sound(wrapped)).items()]
    altered = len(page) - len(keys)
    if not keys:
        return 0, altered
    kek, wrapped_anew = await wrappers.wrap(keys)
    key_ids = [UUID(bytes=key.id) for key in keys]
    done = await _sql.rewrap(
        administrator, before=before, kek=kek, key_ids=key_ids, wrapped_keys=wrapped_anew
    )
    return int(done), altered
