from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st

from shared.privacy.keyed import KeyedDigest


@given(key=st.binary(max_size=200), message=st.binary(max_size=200))
def test_a_keyed_digest_is_hmac_sha256(key: bytes, message: bytes) -> None:
    digests = KeyedDigest(key)
    assert digests.of(message) == hmac.digest(key, message, "sha256")
    assert digests.of(message) == digests.of(message)
