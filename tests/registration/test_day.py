"""The day that is shipped, through the registration service: every message comes to its outcome."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import orjson

from services.cli.inbound_lines import read_line
from shared.contract.inbound import REGISTRATIONS
from shared.contract.registration import RegistrationRejected
from tests.registration.conftest import Front
from tests.support.records import MadeRecord

EXAMPLES = Path(__file__).parents[2] / "examples"
BATCH = 250


def records() -> list[MadeRecord]:
    """What `steward send` makes of the day, for the one topic."""
    day = (EXAMPLES / "day.jsonl").read_bytes().splitlines()
    sent = [read_line(line) for line in day]
    return [
        MadeRecord(one.value, tuple(one.headers), key=one.key, timestamp=1_794_800_000_000)
        for one in sent
        if one.topic == REGISTRATIONS
    ]


async def test_the_shipped_day_ends_as_it_says(front: Front) -> None:
    expected = orjson.loads((EXAMPLES / "expected.json").read_bytes())
    front.now = datetime(2026, 11, 16, 20, tzinfo=UTC)
    day = records()
    for start in range(0, len(day), BATCH):
        await front.take(*day[start : start + BATCH])
    assert await front.outcomes() == expected["topics"][REGISTRATIONS]["outcomes"]
    refused = Counter(fact.reason for fact in await front.said(RegistrationRejected))
    assert refused == expected["refused"]
    rows = await front.rows(
        "select number, count(*) filter (where r.status = 'registered')::int as registered,"
        " count(*) filter (where r.status = 'waitlisted')::int as waitlisted,"
        " places_taken, e.waitlisted as in_line"
        " from registration.event e left join registration.registration r on r.event_id = e.id"
        " group by e.id"
    )
    counted = {
        row["number"]: {"registered": row["registered"], "waitlisted": row["waitlisted"]}
        for row in rows
    }
    assert counted == expected["events"]
    for row in rows:
        assert (row["places_taken"], row["in_line"]) == (row["registered"], row["waitlisted"])
