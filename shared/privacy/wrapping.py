"""Key-encryption keys: what wraps data keys, wherever it is, and which of several are at hand.

`KeyEncryptionKey` is all that the keyring needs of one. A key that is in this process' memory has
the same interface as one that never leaves a key management service (KMS): data keys go there and
come back by the batch. See docs/keys.md for how to write an adapter.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from shared.privacy.errors import KeyUnavailableError, SealError
from shared.privacy.sealing import NONCE_BYTES, KeyWrapper
from shared.runtime.secrets import SecretsError

Random = Callable[[int], bytes]
"""So many unpredictable bytes; `os.urandom` outside tests."""


class PlainKey(NamedTuple):
    """A data key in clear (32 bytes), and its id (16 bytes)."""

    id: bytes
    key: bytes


class BoundKey(NamedTuple):
    """A wrapped data key, and the id that it is bound to."""

    id: bytes
    wrapped: bytes


class WrappedKey(NamedTuple):
    """A wrapped data key as the ring has it: `kek` is the id of what wrapped it."""

    kek: str
    id: bytes
    wrapped: bytes


class KeyEncryptionKey(Protocol):
    """One key-encryption key, wherever it is.

    Both methods answer in the order of what was asked, all or nothing. They raise
    KeyUnavailableError where the key is away for now: the caller does the same again later.
    """

    @property
    def id(self) -> str:
        """Derived from the key, so that another key has another one; no secret."""
        ...

    async def wrap(self, keys: Sequence[PlainKey]) -> list[bytes]:
        """Wrap each key, bound to its id."""
        ...

    async def unwrap(self, keys: Sequence[BoundKey]) -> list[bytes]:
        """The keys in clear. SealError where one was altered, or is another's."""
        ...


KeySource = Callable[[], Awaitable[Sequence[KeyEncryptionKey]]]
"""Reads what is at hand now, the newest first. Raises SecretsError and KeyUnavailableError."""


class LocalKey:
    """A key-encryption key (32 bytes) in the memory of this process."""

    def __init__(self, key: bytes, random: Random = os.urandom) -> None:
        self._wrapper = KeyWrapper(key)
        self._random = random
        self.id = self._wrapper.id

    async def wrap(self, keys: Sequence[PlainKey]) -> list[bytes]:
        nonces = self._random(NONCE_BYTES * len(keys))
        wrap = self._wrapper.wrap
        return [
            wrap(key_id, key, nonces[at : at + NONCE_BYTES])
            for at, (key_id, key) in zip(range(0, len(nonces), NONCE_BYTES), keys, strict=True)
        ]

    async def unwrap(self, keys: Sequence[BoundKey]) -> list[bytes]:
        return [self._wrapper.unwrap(key_id, wrapped) for key_id, wrapped in keys]


class KeyWrappers:
    """The key-encryption keys at hand, and the one that new data keys are wrapped under.

    Which one that is, the keyring says. One that is not known is looked for at its source, once
    more each time: a rotation brings new ones while processes run.
    """

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._reading = asyncio.Lock()
        self._at_hand: dict[str, KeyEncryptionKey] = {}
        self._current: KeyEncryptionKey | None = None

    @classmethod
    def of(cls, keys: Iterable[bytes], random: Random = os.urandom) -> KeyWrappers:
        """These keys (32 bytes each), the newest first, for good."""
        known = [LocalKey(key, random) for key in keys]

        async def source() -> Sequence[KeyEncryptionKey]:
            return known

        return cls(source)

    async def read(self) -> list[str]:
        """Read what is at hand now; the ids, the newest first. Raises what the source does."""
        async with self._reading:
            found = await self._source()
        # What is in use stays: a source that lost a key does not take it from who works with it.
        self._at_hand |= {key.id: key for key in found}
        return [key.id for key in found]

    async def current(self) -> KeyEncryptionKey:
        """What new data keys are wrapped under, as far as it is known here."""
        if self._current is None:
            self._current = self._at_hand[(await self.read())[0]]
        return self._current

    async def make_current(self, kek: str) -> None:
        """From now on this one. KeyUnavailableError where it is not at hand."""
        self._current = await self._find(kek)

    async def wrap(self, keys: Sequence[PlainKey]) -> tuple[str, list[bytes]]:
        """Wrap data keys under the current one; its id, and the wrapped keys."""
        current = await self.current()
        return current.id, await current.wrap(keys)

    async def unwrap(self, keys: Sequence[WrappedKey]) -> list[bytes]:
        """The data keys in clear, each by what wrapped it.

        KeyUnavailableError where one of those is not at hand, SealError as `KeyEncryptionKey` says.
        """
        places: dict[str, list[int]] = {}
        for place, key in enumerate(keys):
            places.setdefault(key.kek, []).append(place)
        opened = [b""] * len(keys)
        for kek, of_it in places.items():
            wrapper = await self._find(kek)
            bound = [BoundKey(keys[place].id, keys[place].wrapped) for place in of_it]
            for place, clear in zip(of_it, await wrapper.unwrap(bound), strict=True):
                opened[place] = clear
        return opened

    async def unwrap_sound(self, keys: Sequence[WrappedKey]) -> dict[bytes, bytes]:
        """Those that were not altered, in clear, by their ids. By halves: one at fault must not
        hide the others. KeyUnavailableError as `unwrap`: that says nothing of a key.
        """
        if not keys:
            return {}
        try:
            clear = await self.unwrap(keys)
        except SealError:
            half = len(keys) // 2
            if not half:
                return {}
            return await self.unwrap_sound(keys[:half]) | await self.unwrap_sound(keys[half:])
        return {wrapped.id: key for wrapped, key in zip(keys, clear, strict=True)}

    async def has(self, kek: str) -> bool:
        """Whether it is at hand. Raises what the source does where that has to be asked."""
        if kek not in self._at_hand:
            await self.read()
        return kek in self._at_hand

    async def _find(self, kek: str) -> KeyEncryptionKey:
        try:
            is_at_hand = await self.has(kek)
        except SecretsError as error:
            raise KeyUnavailableError(f"waits for the key-encryption key: {error}") from None
        if not is_at_hand:
            raise KeyUnavailableError(
                f"waits for the key-encryption key {kek[:8]}, which is not at hand"
            )
        return self._at_hand[kek]
