"""The day that is shipped, through the consent service: every message comes to its outcome."""

from __future__ import annotations

from collections import Counter

from shared.contract.inbound import CONTACTS
from shared.messaging.service import Service
from tests.support.shipped import EVENING, batches, dead_letters, expected
from tests.support.taking import processor_of, take
from tests.support.work import Work


async def test_the_shipped_day_ends_as_it_says(work: Work, service: Service) -> None:
    processor, offset = processor_of(service, now=EVENING), 0
    for batch in batches(CONTACTS):
        await take(service, processor, batch, offset=offset)
        offset += len(batch)
    counted = await work.rows(
        "select outcome, sum(messages)::int as messages from outcome_count"
        " group by outcome having sum(messages) <> 0"
    )
    of_topic = expected()["topics"][CONTACTS]
    assert {row["outcome"]: row["messages"] for row in counted} == of_topic["outcomes"]
    assert offset == of_topic["received"]
    letters = await work.rows("select reason from dead_letter where status = 'dead'")
    assert Counter(row["reason"] for row in letters) == dead_letters(CONTACTS)
