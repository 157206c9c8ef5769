"""What another plan means for what is scheduled already: periods and classes change with it."""

from __future__ import annotations

from datetime import date
from typing import Final
from uuid import UUID

from services.retention import store
from services.retention.domain import EVENT_END, rescheduled
from services.retention.handlers.rules import rules_of
from shared.messaging.unit_of_work import Transaction
from shared.privacy.in_force import InForce

MOST_AT_ONCE: Final = 2_000
"""Rows looked through in one transaction, and what else is kept of the last person among them."""


class Rescheduler:
    """Lets the schedule follow the plan in force, part by part."""

    def __init__(self, in_force: InForce, most: int = MOST_AT_ONCE) -> None:
        self._in_force = in_force
        self._most = most
        self._rules = rules_of(in_force)

    async def reschedule(self, tx: Transaction) -> int:
        """Look through the next part, if the plan is another than it was; how many rows it had.

        What comes meanwhile is scheduled by the same plan: it cannot change while a transaction
        holds it. Who moves an event meanwhile moves rows by the name of their class and leaves
        them in it: where a row is not as it was read any more, the part is looked through again.
        """
        connection = tx.connection
        progress = await store.rescheduling(connection, self._in_force.number)
        if progress.done:
            return 0
        rows = await store.scheduled_after(connection, progress.through, self._most)
        events = {row.event_id for row in rows if row.event_id and row.anchor == EVENT_END}
        anchors = await store.anchors_of(connection, sorted(events))
        ends_on: dict[UUID, date] = {known: anchors[known].ends_on for known in anchors}
        changed = rescheduled(rows, ends_on, self._rules())
        if changed and await store.reschedule(connection, changed) < len(changed):
            return len(rows)
        last = rows[-1].subject_id if rows else progress.through
        await store.rescheduled_through(connection, last, done=not rows)
        return len(rows)
