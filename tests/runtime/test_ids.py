from __future__ import annotations

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.ids import BYTES, new_id, random_id


def test_new_ids_are_of_version_7_and_ascend() -> None:
    made = [new_id() for _ in range(100)]
    assert {one.version for one in made} == {7}
    assert made == sorted(set(made))


@given(st.binary(min_size=BYTES, max_size=BYTES))
def test_random_ids_are_what_pythons_own_would_be(random: bytes) -> None:
    made = random_id(random)
    assert made == UUID(bytes=random, version=4)
    assert made.variant == RFC_4122
