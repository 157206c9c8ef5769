"""Keyed digests, where thousands are made under one key."""

from __future__ import annotations

import hmac


class KeyedDigest:
    """HMAC-SHA256 (RFC 2104; 32 bytes) under one key, which is prepared once: `hmac.digest` does it
    for each message anew.
    """

    __slots__ = ("_prepared",)

    def __init__(self, key: bytes) -> None:
        self._prepared = hmac.new(key, digestmod="sha256")

    def of(self, message: bytes) -> bytes:
        """The digest of one message."""
        digest = self._prepared.copy()
        digest.update(message)
        return digest.digest()
