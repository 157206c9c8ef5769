from __future__ import annotations

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.ids import OWN_BYTES, SHARED_BYTES, new_id, random_ids


def test_new_ids_are_of_version_7_and_ascend() -> None:
    made = [new_id() for _ in range(100)]
    assert {one.version for one in made} == {7}
    assert made == sorted(set(made))


@given(st.binary(min_size=SHARED_BYTES, max_size=SHARED_BYTES + 5 * OWN_BYTES))
def test_random_ids_are_what_pythons_own_would_be_and_begin_alike(random: bytes) -> None:
    shared, own = random[:SHARED_BYTES], random[SHARED_BYTES:]
    own = own[: len(own) // OWN_BYTES * OWN_BYTES]
    made = random_ids(shared + own)
    assert made == [
        UUID(bytes=shared + own[first : first + OWN_BYTES], version=4)
        for first in range(0, len(own), OWN_BYTES)
    ]
    assert all(one.variant == RFC_4122 for one in made)
