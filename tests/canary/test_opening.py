"""What has to be opened before it can be searched, or must not be opened any more."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import orjson
import pytest
from aiokafka.errors import UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from shared.privacy.sealing import DataKey, seal_bytes
from tests.canary.erasure import Kept, opened_by_any, sealed_in, still_on_disk
from tests.canary.kafka_files import compressed_batches
from tests.canary.marks import Mark, Marks
from tests.canary.searcher import Searcher

MARKS = Marks.make(os.urandom)
SEARCHER = Searcher(MARKS)
CODECS = {"none": 0, "gzip": 1}
ZSTD = 4
ATTRIBUTES_END = 23
"""Where the attributes of a batch end; the lowest three bits are the codec (magic 2)."""


def batch(codec: int, text: str) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=100_000,
    )
    headers = [("name", text.encode())]
    for offset in range(5):
        builder.append(offset, 0, text.encode(), f"{text} {text}".encode(), headers)
    return bytes(builder.build())


@pytest.mark.parametrize("codec", CODECS)
def test_a_mark_in_a_batch_is_found_whatever_it_is_compressed_with(
    tmp_path: Path, codec: str
) -> None:
    segment = tmp_path / "00000000000000000000.log"
    mark = MARKS.of(7, "name")
    segment.write_bytes(batch(0, "nobody") + batch(CODECS[codec], mark) + batch(0, "nobody"))
    opened = list(compressed_batches(segment))
    found = [one.mark for one in SEARCHER.search([*opened, segment.read_bytes()])]
    assert found.count(Mark(7, "name")) >= 5 * 4
    assert len(opened) == (codec != "none")


def test_a_codec_that_is_not_at_hand_is_no_reason_to_pass(tmp_path: Path) -> None:
    segment = tmp_path / "00000000000000000000.log"
    compressed = bytearray(batch(CODECS["gzip"], MARKS.of(7, "name")))
    compressed[ATTRIBUTES_END - 1] = ZSTD
    segment.write_bytes(compressed)
    with pytest.raises(UnsupportedCodecError):
        list(compressed_batches(segment))


def key() -> DataKey:
    return DataKey(os.urandom(16), 1, "contact", os.urandom(32))


def test_sealed_values_are_found_however_deep_they_are() -> None:
    one, two, three = (bytes(seal_bytes(key(), b"x", os.urandom(12))) for _ in range(3))
    coded = base64.b64encode(two).decode()
    body = orjson.dumps({"personal": {"contact": coded}, "other": ["no", 1, None]})
    row = [one, "text", body, {"deep": [base64.b64encode(three).decode()]}, body.decode()]
    assert set(sealed_in(row)) == {one, two, three}


def test_a_value_opens_with_its_own_key_and_no_other() -> None:
    own, other = key(), key()
    kept = [Kept(bytes(seal_bytes(own, b"x", os.urandom(12))), own) for _ in range(3)]
    assert opened_by_any(kept, [other.key, own.key]) == len(kept)
    assert opened_by_any(kept, [other.key, os.urandom(32)]) == 0


def test_what_a_file_still_holds_is_counted_once(tmp_path: Path) -> None:
    one, two = os.urandom(60), os.urandom(60)
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(1000) + one + bytes(10))
    assert still_on_disk(tmp_path, [one, two]) == 1
