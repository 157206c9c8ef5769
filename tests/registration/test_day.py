"""The day that is shipped, through the registration service: every message comes to its outcome."""

from __future__ import annotations

from collections import Counter

from shared.contract.inbound import REGISTRATIONS
from shared.contract.registration import RegistrationRejected
from tests.registration.conftest import Front
from tests.support.shipped import EVENING, batches, dead_letters, expected


async def test_the_shipped_day_ends_as_it_says(front: Front) -> None:
    told = expected()
    front.now = EVENING
    for batch in batches(REGISTRATIONS):
        await front.take(*batch)
    assert await front.outcomes() == told["topics"][REGISTRATIONS]["outcomes"]
    refused = Counter(fact.reason for fact in await front.said(RegistrationRejected))
    assert refused == told["refused"]
    reasons = Counter(reason for reason, _ in await front.dead_letters())
    assert reasons == dead_letters(REGISTRATIONS)
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
    assert counted == told["events"]
    for row in rows:
        assert (row["places_taken"], row["in_line"]) == (row["registered"], row["waitlisted"])
