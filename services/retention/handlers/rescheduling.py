"""What another plan, or another end of an event, means for what is scheduled already."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from services.retention import store
from services.retention.domain import EVENT_END, Rules, rescheduled
from services.retention.handlers.rules import rules_of
from shared.contract.types import EventId
from shared.messaging.unit_of_work import Transaction
from shared.privacy.in_force import InForce
from shared.runtime.database import Connection

MOST_AT_ONCE: Final = 2_000
"""Rows looked through at once, and what else is kept of the last person among them."""


async def move(connection: Connection, ends_on: Mapping[EventId, date], rules: Rules) -> None:
    """Let follow what hangs on events, which end on these days now and are locked.

    It is decided once for all of whom the same is kept in the same way, however many take part: a
    batch that does not come to its end within the time of a transaction never does.
    """
    if alike := await store.left_behind(connection, ends_on):
        changed = rescheduled(await store.first_of_each(connection, alike), ends_on, rules)
        await store.reschedule_alike(connection, alike, changed)


class Rescheduler:
    """Lets the schedule follow the plan in force, part by part."""

    def __init__(self, in_force: InForce, most: int = MOST_AT_ONCE) -> None:
        self._in_force = in_force
        self._most = most
        self._rules = rules_of(in_force)

    async def reschedule(self, tx: Transaction) -> int:
        """Look through the next part, if the plan is another than it was; how many rows it had.

        What comes or moves meanwhile goes by the same plan: it cannot change while a transaction
        holds it.
        """
        connection = tx.connection
        progress = await store.rescheduling(connection, self._in_force.number)
        if progress.done:
            return 0
        rows = await store.scheduled_after(connection, progress.through, self._most)
        events = {row.event_id for row in rows if row.event_id and row.anchor == EVENT_END}
        anchors = await store.anchors_of(connection, sorted(events))
        ends_on = {known: anchors[known].ends_on for known in anchors}
        if changed := rescheduled(rows, ends_on, self._rules()):
            await store.reschedule(connection, changed)
        last = rows[-1].subject_id if rows else progress.through
        await store.rescheduled_through(connection, last, done=not rows)
        return len(rows)
