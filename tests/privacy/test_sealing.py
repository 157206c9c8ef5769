from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.privacy.errors import SealError
from shared.privacy.sealing import DataKey, KeyWrapper, key_id_of, open_bytes, seal_bytes

KEY_ID, KEY, NONCE = b"i" * 16, b"k" * 32, b"n" * 12


def key(**over: object) -> DataKey:
    given_: dict[str, object] = {
        "key_id": KEY_ID,
        "generation": 1,
        "category": "contact",
        "key": KEY,
        **over,
    }
    return DataKey(**given_)  # type: ignore[arg-type]  # one of them is replaced


@given(st.binary(max_size=500), st.binary(min_size=32, max_size=32))
def test_what_is_sealed_opens_as_it_was(content: bytes, secret: bytes) -> None:
    sealed = seal_bytes(key(key=secret), content, NONCE)
    assert open_bytes(key(key=secret), sealed) == content
    assert key_id_of(sealed) == KEY_ID
    assert len(sealed) == 1 + 16 + 12 + len(content) + 16


@pytest.mark.parametrize(
    "other",
    [
        key(generation=2),
        key(category="diet"),
        key(key=b"x" * 32),
        key(key_id=b"j" * 16),
    ],
)
def test_a_value_opens_only_as_what_it_was_sealed_as(other: DataKey) -> None:
    with pytest.raises(SealError):
        open_bytes(other, seal_bytes(key(), b"content", NONCE))


@given(st.data())
def test_a_value_with_any_bit_changed_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(seal_bytes(key(), b"content", NONCE))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealError):
        open_bytes(key(), bytes(sealed))


@given(st.binary(max_size=44))
def test_what_is_too_short_is_no_sealed_value(value: bytes) -> None:
    with pytest.raises(SealError):
        key_id_of(value)


def test_a_wrapped_key_unwraps_under_its_id_and_its_key_encryption_key_only() -> None:
    wrapper = KeyWrapper(b"w" * 32)
    wrapped = wrapper.wrap(KEY_ID, KEY, NONCE)
    assert wrapper.unwrap(KEY_ID, wrapped) == KEY
    assert KEY not in wrapped
    for other, key_id, value in (
        (wrapper, b"j" * 16, wrapped),
        (KeyWrapper(b"v" * 32), KEY_ID, wrapped),
        (wrapper, KEY_ID, wrapped[:-1]),
        (wrapper, KEY_ID, b""),
    ):
        with pytest.raises(SealError):
            other.unwrap(key_id, value)


def test_a_key_does_not_show_itself() -> None:
    assert repr(KEY) not in repr(key())
    assert KeyWrapper(KEY).id != KeyWrapper(b"l" * 32).id
    assert KEY.hex() not in KeyWrapper(KEY).id
