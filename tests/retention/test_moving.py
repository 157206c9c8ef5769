"""Events that move, and the registrations that are moved together because they are kept alike."""

from __future__ import annotations

from datetime import UTC, date, datetime

from services.retention.handlers import Handlers
from shared.contract.registration import EventChanged
from tests.retention.test_schedule import carrying, said
from tests.support.facts import event_state
from tests.support.work import Work

DUE = """
select event_id, part, array_agg(due_on order by due_on) as days
from schedule_item group by event_id, part
"""


async def test_events_that_move_at_once_take_each_their_own_people_along_by_what_they_gave(
    work: Work, handlers: Handlers
) -> None:
    """Both ended on one day, and of each two people as much is kept: in other categories."""
    first, second = event_state(), event_state()
    for event in (first, second):
        given = [carrying(event, "contact"), carrying(event, "diet")]
        await work.do(handlers.schedule_registrations, given)
    ends = {first.event_id: 1, second.event_id: 2}
    moved = [
        event.model_copy(
            update={
                "version": 2,
                "ends_at": datetime(2026, 11, ends[event.event_id], 14, tzinfo=UTC),
            }
        )
        for event in (first, second)
    ]
    await work.do(handlers.learn_events, [said(EventChanged(event=event)) for event in moved])
    found = {(row["event_id"], row["part"]): row["days"] for row in await work.rows(DUE)}
    assert found == {
        (event_id, part): days
        for event_id, day in ends.items()
        for contact, diet in [(date(2027, 5, day + 1), date(2026, 11, day + 15))]
        for part, days in (
            ("contact", [contact]),
            ("diet", [diet]),
            ("registration", [diet, contact]),
        )
    }
