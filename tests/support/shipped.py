"""The day that is shipped, and what it says is to become of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from examples.day import Day
from services.cli.inbound_lines import read_line
from tests.support.records import MadeRecord

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
EVENING: Final = datetime(2026, 11, 16, 20, tzinfo=UTC)
"""Of that day: all has come in."""

_BATCH: Final = 250


def batches(topic: str) -> Iterator[Sequence[MadeRecord]]:
    """What `steward send` makes of the day for one topic, in parts."""
    sent = map(read_line, (EXAMPLES / "day.jsonl").read_bytes().splitlines())
    records = [
        MadeRecord(one.value, tuple(one.headers), one.key, topic, timestamp=1_794_800_000_000)
        for one in sent
        if one.topic == topic
    ]
    for start in range(0, len(records), _BATCH):
        yield records[start : start + _BATCH]


def expected() -> dict[str, Any]:
    """What is to become of it, as it is shipped."""
    told: dict[str, Any] = orjson.loads((EXAMPLES / "expected.json").read_bytes())
    return told


def dead_letters(topic: str) -> Counter[str]:
    """How many dead letters of which reason there are to be of one topic: the shipped file has them
    of all topics, the generator by line.
    """
    reasons: dict[str, Counter[str]] = {}
    for line in Day(2_000, seed=1).lines():
        if line.outcome == "dead_letter":
            reasons.setdefault(line.topic, Counter())[line.reason or ""] += 1
    assert sum(reasons.values(), Counter()) == expected()["dead_letters"]
    return reasons[topic]
