"""What another plan means for what is scheduled already: periods and classes change with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.retention import store
from services.retention.domain import Books, Former, RetentionClass, Scheduled, due_on, longest
from services.retention.handlers.scheduling import EVENT_END, classes_of
from shared.messaging.unit_of_work import Transaction
from shared.privacy.in_force import Derived, InForce
from shared.privacy.plan import Plan

MOST_AT_ONCE: Final = 2_000
"""Rows looked through in one transaction, and what else is kept of the last person among them."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a plan says of how long things are kept: its classes, and the class of each category."""

    classes: Mapping[str, RetentionClass]
    of_category: Mapping[str, RetentionClass]


def rules_of(plan: Plan) -> Rules:
    """The rules of a plan."""
    classes = classes_of(plan)
    return Rules(
        classes, {category: classes[plan.retention_of(category)[0]] for category in plan.categories}
    )


def books_of(plan: Plan, kept_in: Mapping[tuple[str, str], datetime | None]) -> Books:
    """What the rows of invoices are sealed in, which are kept by the name that their class had.
    `kept_in` has the (class, category) of all plans that there were, and until when: a class may
    have lost its name, or a category alone.
    """
    of_category = rules_of(plan).of_category
    former: dict[str, list[Former]] = {}
    for name, category in sorted(kept_in):
        until = kept_in[name, category]
        if until is not None:
            former.setdefault(name, []).append(Former(category, until, of_category.get(category)))
    return Books({name: kept.categories for name, kept in plan.retention.items()}, former)


def rescheduled(
    rows: Sequence[Scheduled], ends_on: Mapping[UUID, date], rules: Rules
) -> list[tuple[Scheduled, Scheduled]]:
    """Which rows these rules change, before and after. Pure.

    `rows` are whole items: all that is kept of each. `ends_on` is when events end as it is known
    now; a move that was made while a row had a class of an older plan has passed the row by. What
    the rules say nothing of, or would count from another anchor, stays as it is.
    """
    parts: dict[UUID, list[Scheduled]] = {}
    for row in rows:
        parts.setdefault(row.item_id, []).append(row)
    changed = []
    for row in rows:
        start = ends_on.get(row.event_id) if row.anchor == EVENT_END and row.event_id else None
        after = _under(row, start or row.anchor_date, parts[row.item_id], rules)
        if after != row:
            changed.append((row, after))
    return changed


def _under(
    row: Scheduled, start: date | None, parts: Sequence[Scheduled], rules: Rules
) -> Scheduled:
    kept = _class_of(row, start, parts, rules)
    if kept is None or kept.anchor != row.anchor:
        return row
    due = None if start is None else due_on(start, kept.period)
    return replace(row, retention_class=kept.name, anchor_date=start, due_on=due)


def _class_of(
    row: Scheduled, start: date | None, parts: Iterable[Scheduled], rules: Rules
) -> RetentionClass | None:
    if row.kind == "category":
        return rules.of_category.get(row.part)
    if row.kind == "consent":
        return rules.of_category.get(row.part.partition("/")[2])
    if row.kind == "invoice":
        return rules.classes.get(row.part)
    categories = [part.part for part in parts if part.kind == "category"]
    return None if start is None else longest(_counting_from_event(categories, rules), start)


def _counting_from_event(categories: Iterable[str], rules: Rules) -> Collection[RetentionClass]:
    """As a registration is scheduled: by the classes of its categories, else by any."""
    of_it = [rules.of_category[name] for name in categories if name in rules.of_category]
    return _from_event(of_it) or _from_event(rules.classes.values())


def _from_event(classes: Iterable[RetentionClass]) -> list[RetentionClass]:
    return [one for one in classes if one.anchor == EVENT_END]


class Rescheduler:
    """Lets the schedule follow the plan in force, part by part."""

    def __init__(self, in_force: InForce, most: int = MOST_AT_ONCE) -> None:
        self._in_force = in_force
        self._most = most
        self._rules = Derived(in_force, rules_of)

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
