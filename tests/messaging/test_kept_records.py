"""Records that are kept whole, until they can be handled or are given up."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.dead_letters import KeptRecord, pack, unpack
from shared.messaging.store import DeadLetter

bodies = st.none() | st.binary(max_size=50)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
records = st.builds(
    KeptRecord,
    topic=st.just("topic"),
    partition=st.just(3),
    offset=st.just(7),
    timestamp=st.integers(0, 2**53),
    key=bodies,
    value=bodies,
    headers=st.lists(st.tuples(names, bodies), max_size=5).map(tuple),
)


@given(records)
def test_a_record_that_is_kept_comes_back_as_it_was(record: KeptRecord) -> None:
    """A header that is null is not one that is empty."""
    letter = DeadLetter(
        topic="topic",
        partition=3,
        record_offset=7,
        status="dead",
        holds_key=False,
        type=None,
        type_reference=None,
        key_reference=None,
        reason="",
        detail="",
        sealed=None,
        taken_at=datetime(2026, 11, 30, tzinfo=UTC),
    )
    assert unpack(letter, pack(record)) == record
