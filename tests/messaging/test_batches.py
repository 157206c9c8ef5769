"""Taking batches apart that aiokafka cannot, and all others as it does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.headers import NO_TEXT
from shared.messaging.batches import Batches, records_of
from tests.support.any_records import AnyRecord, batch_of

LOG_APPEND_TIME = 0b1000
ATTRIBUTES_END_AT = 23

bodies = st.none() | st.binary(max_size=300) | st.sampled_from([b"x" * 20_000])
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
records = st.builds(AnyRecord, bodies, bodies, st.lists(st.tuples(names, bodies), max_size=4))


@given(st.lists(records, min_size=1, max_size=20), st.booleans(), st.booleans())
def test_a_batch_is_taken_apart_as_aiokafka_does_it(
    written: list[AnyRecord], compressed: bool, appended: bool
) -> None:
    batch = batch_of(written, gzip=compressed)
    if appended:
        batch[ATTRIBUTES_END_AT - 1] |= LOG_APPEND_TIME
    theirs = MemoryRecords(bytes(batch)).next_batch()
    assert seen(records_of(bytes(batch))) == seen(theirs)


def test_what_stands_around_a_name_that_is_no_text_is_read() -> None:
    broken = batch_of(
        [
            AnyRecord(b"a", b"1", [("ce_id", b"1")]),
            AnyRecord(b"b", b"2", [("ce_id", b"2"), (b"gr\xfc\xdfe", None), ("more", None)]),
            AnyRecord(b"c", b"3", [("ce_id", b"3")]),
        ]
    )
    batches = Batches(bytes(broken + batch_of([AnyRecord(b"d", b"4", [])])))
    read = []
    while batches.has_next():
        batch = batches.next_batch()
        assert batch.validate_crc()
        read += [(one.key, one.value, list(one.headers)) for one in batch]
    assert read == [
        (b"a", b"1", [("ce_id", b"1")]),
        (b"b", b"2", [("ce_id", b"2"), (f"gr{NO_TEXT * 2}e", None), ("more", None)]),
        (b"c", b"3", [("ce_id", b"3")]),
        (b"d", b"4", []),
    ]


def test_the_first_record_of_a_batch_is_there_to_be_asked_for() -> None:
    """So the fetcher reads the markers of transactions."""
    batch = Batches(bytes(batch_of([AnyRecord(b"a", b"1", [])]))).next_batch()
    assert not batch.is_control_batch
    assert next(batch).key == b"a"


def test_a_batch_that_did_not_come_whole_is_left_for_the_next_answer() -> None:
    whole, cut = batch_of([AnyRecord(b"a", b"1", [])]), batch_of([AnyRecord(b"b", b"2", [])])[:-1]
    batches = Batches(bytes(whole + cut))
    assert [one.key for one in batches.next_batch()] == [b"a"]
    assert not batches.has_next()
    assert Batches(bytes(cut)).size_in_bytes() == len(cut)


def test_aiokafka_still_looks_up_where_the_reader_is_put_and_fails_where_it_is_needed() -> None:
    """Else it is to go, or to be put elsewhere."""
    assert "MemoryRecords" in fetcher.Fetcher._proc_fetch_request.__code__.co_names
    batch = MemoryRecords(bytes(batch_of([AnyRecord(b"a", b"1", [(b"\xff", b"")])]))).next_batch()
    with pytest.raises(UnicodeDecodeError):
        list(batch)


def seen(found: Iterable[Any]) -> list[tuple[object, ...]]:
    return [
        (
            one.offset,
            one.timestamp,
            one.timestamp_type,
            one.key,
            one.value,
            list(one.headers),
            one.checksum,
        )
        for one in found
    ]
