"""Ciphertexts: how values and data keys are sealed. Pure; keys and nonces come in as arguments.

A sealed value is `version (1) | key id (16) | nonce (12) | ciphertext and tag`, with AES-256-GCM
(NIST SP 800-38D). Its associated data binds version, key id, generation and category, so that it
opens only as what it was sealed as. A wrapped key is `nonce (12) | ciphertext and tag` under the
key-encryption key, bound to both key ids.

Only `shared.privacy` uses this module: its doors are `use()` and `disclose()`.
"""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.contract.types import Sealed
from shared.privacy.errors import SealError

KEY_BYTES = 32
NONCE_BYTES = 12
ID_BYTES = 16
_VERSION = b"\x01"
_NONCE_AT = 1 + ID_BYTES
_CIPHERTEXT_AT = _NONCE_AT + NONCE_BYTES
_SHORTEST = _CIPHERTEXT_AT + 16

RECORD_CATEGORY = ""
"""Stands for the category in what binds whole record bodies: no category has this name."""


class DataKey:
    """A data key as one batch uses it, never longer. Made by the thousand, and so it is plain.

    `bound` is the associated data of what is sealed with it.
    """

    __slots__ = ("bound", "category", "id", "key")

    def __init__(self, key_id: bytes, generation: int, category: str, key: bytes) -> None:
        self.id = key_id
        self.category = category
        self.key = key
        self.bound = _VERSION + key_id + generation.to_bytes(4, "big") + category.encode()

    def __repr__(self) -> str:
        return f"<DataKey of category {self.category!r}>"


class KeyWrapper:
    """Wraps data keys under one key-encryption key. `id` is derived from it and is no secret."""

    __slots__ = ("_aead", "_bound", "id")

    def __init__(self, key_encryption_key: bytes) -> None:
        self._aead = AESGCM(key_encryption_key)
        self.id = hmac.digest(key_encryption_key, b"steward key-encryption key", "sha256")[
            :16
        ].hex()
        self._bound = b"steward data key" + self.id.encode()

    def wrap(self, key_id: bytes, key: bytes, nonce: bytes) -> bytes:
        """Wrap one data key. A nonce is used once."""
        return nonce + self._aead.encrypt(nonce, key, self._bound + key_id)

    def unwrap(self, key_id: bytes, wrapped: bytes) -> bytes:
        """The data key. SealError where another key wrapped it, for another id, or it changed."""
        try:
            return self._aead.decrypt(
                wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], self._bound + key_id
            )
        except (InvalidTag, ValueError):
            raise SealError("a data key does not unwrap: it was altered or is another's") from None


def key_id_of(sealed: bytes) -> bytes:
    """The id (16 bytes) of the key that a value is sealed with. SealError for anything else."""
    if len(sealed) < _SHORTEST or sealed[:1] != _VERSION:
        raise SealError("not a sealed value, or sealed by a newer version")
    return sealed[1:_NONCE_AT]


def seal_bytes(key: DataKey, content: bytes, nonce: bytes) -> Sealed:
    """Seal content. A nonce is used once with a key."""
    return Sealed(_VERSION + key.id + nonce + AESGCM(key.key).encrypt(nonce, content, key.bound))


def open_bytes(key: DataKey, sealed: bytes) -> bytes:
    """The content. SealError where key, generation or category are not those it was sealed with."""
    if key_id_of(sealed) != key.id:
        raise SealError(f"a value of category {key.category!r} is sealed with another key")
    try:
        return AESGCM(key.key).decrypt(
            sealed[_NONCE_AT:_CIPHERTEXT_AT], sealed[_CIPHERTEXT_AT:], key.bound
        )
    except InvalidTag:
        raise SealError(f"a value of category {key.category!r} was altered or moved") from None
