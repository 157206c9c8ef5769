"""The retention schedule and the anchors of events in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.retention.domain import DueGroup, EventAnchor, Item, Scheduled
from shared.contract.types import EventId, SubjectId
from shared.runtime.database import Connection, queries

_sql = queries("queries.sql", __file__)


async def keep_anchors(connection: Connection, anchors: Collection[EventAnchor]) -> set[EventId]:
    """Keep what is newer than what is known; one per event. Which events that were."""
    rows = _sql.keep_anchors(
        connection,
        event_ids=[anchor.event_id for anchor in anchors],
        versions=[anchor.version for anchor in anchors],
        units=[anchor.unit for anchor in anchors],
        ends_on=[anchor.ends_on for anchor in anchors],
    )
    return {row["event_id"] async for row in rows}


async def anchors_of(
    connection: Connection, events: Collection[EventId]
) -> dict[EventId, EventAnchor]:
    """What is known of these events; they do not move until the transaction ends."""
    rows = _sql.anchors_of(connection, event_ids=list(events))
    return {
        row["event_id"]: EventAnchor(
            event_id=row["event_id"],
            version=row["version"],
            unit=row["unit"],
            ends_on=row["ends_on"],
        )
        async for row in rows
    }


async def put(connection: Connection, items: Collection[Item]) -> None:
    """Put things into the schedule, where nothing later is known of them."""
    # By itself, not by its value: whoever makes many items gives those alike the same terms.
    kept = {id(item.terms): item.terms for item in items}
    numbers = {known: number for number, known in enumerate(kept)}
    terms = [(numbers[known], term) for known, of_it in kept.items() for term in of_it]
    await _sql.put(
        connection,
        kept=[numbers[id(item.terms)] for item in items],
        item_ids=[item.item_id for item in items],
        subject_ids=[item.subject_id for item in items],
        as_ofs=[item.as_of for item in items],
        numbers=[number for number, _ in terms],
        kinds=[term.kind for _, term in terms],
        parts=[term.part for _, term in terms],
        event_ids=[term.event_id for _, term in terms],
        classes=[term.retention_class for _, term in terms],
        anchors=[term.anchor for _, term in terms],
        anchor_dates=[term.anchor_date for _, term in terms],
        due_ons=[term.due_on for _, term in terms],
    )


@dataclass(frozen=True, slots=True)
class Rescheduling:
    """How far the schedule has followed a plan: through this person, or to its end."""

    through: SubjectId | None
    done: bool


async def rescheduling(connection: Connection, plan: int) -> Rescheduling:
    """How far the schedule has followed the plan of this number; locked for whoever goes on."""
    await _sql.begin_rescheduling(connection, plan=plan)
    row = await _sql.rescheduling(connection)
    return Rescheduling(row["through"], row["done"])


async def follows(connection: Connection, plan: int | None) -> bool:
    """Whether all of the schedule has followed the plan of this number."""
    return bool(await _sql.follows(connection, plan=plan))


async def scheduled_after(
    connection: Connection, after: SubjectId | None, most: int
) -> list[Scheduled]:
    """All that is scheduled of the next people, who have about so many rows."""
    rows = _sql.scheduled_after(connection, after=after, most=most)
    return [Scheduled(**dict(row)) async for row in rows]


@dataclass(frozen=True, slots=True)
class Alike:
    """Things of which the same is kept in the same way, and whose they are, in columns."""

    subject_ids: Sequence[SubjectId]
    item_ids: Sequence[UUID]


async def left_behind(connection: Connection, ends_on: Mapping[EventId, date]) -> list[Alike]:
    """The registrations for these events that count from another day than their event ends on."""
    rows = _sql.left_behind(connection, event_ids=list(ends_on), ends_on=list(ends_on.values()))
    return [Alike(row["subject_ids"], row["item_ids"]) async for row in rows]


async def first_of_each(connection: Connection, alike: Sequence[Alike]) -> list[Scheduled]:
    """All that hangs on an event of the first thing of each."""
    rows = _sql.hanging_on_events(
        connection,
        subject_ids=[one.subject_ids[0] for one in alike],
        item_ids=[one.item_ids[0] for one in alike],
    )
    return [Scheduled(**dict(row)) async for row in rows]


async def reschedule_alike(
    connection: Connection,
    alike: Sequence[Alike],
    changed: Collection[tuple[Scheduled, Scheduled]],
) -> None:
    """Give all that is alike the class and the dates that the first of each is given. What hangs on
    their events must be locked.
    """
    numbers = {one.item_ids[0]: number for number, one in enumerate(alike)}
    told = [(numbers[before.item_id], after) for before, after in changed]
    await _sql.reschedule_alike(
        connection,
        kept=[number for number, one in enumerate(alike) for _ in one.item_ids],
        subject_ids=[subject_id for one in alike for subject_id in one.subject_ids],
        item_ids=[item_id for one in alike for item_id in one.item_ids],
        numbers=[number for number, _ in told],
        kinds=[after.kind for _, after in told],
        parts=[after.part for _, after in told],
        classes=[after.retention_class for _, after in told],
        anchor_dates=[after.anchor_date for _, after in told],
        due_ons=[after.due_on for _, after in told],
    )


async def reschedule(
    connection: Connection, changed: Collection[tuple[Scheduled, Scheduled]]
) -> None:
    """Give rows their new class and date, where they are still as they were before."""
    await _sql.reschedule(
        connection,
        subject_ids=[before.subject_id for before, _ in changed],
        item_ids=[before.item_id for before, _ in changed],
        kinds=[before.kind for before, _ in changed],
        parts=[before.part for before, _ in changed],
        due_before=[before.due_on for before, _ in changed],
        classes=[after.retention_class for _, after in changed],
        anchor_dates=[after.anchor_date for _, after in changed],
        due_ons=[after.due_on for _, after in changed],
    )


async def rescheduled_through(
    connection: Connection, through: SubjectId | None, *, done: bool
) -> None:
    """Note how far it is."""
    await _sql.rescheduled_through(connection, through=through, done=done)


async def due(connection: Connection, on: date) -> list[DueGroup]:
    """What may be kept no longer on a day and can be read, by event and class, what is longest due
    first.
    """
    return [
        DueGroup(
            event_id=row["event_id"],
            unit=row["unit"],
            retention_class=row["retention_class"],
            anchor=row["anchor"],
            items=row["items"],
            people=row["people"],
            due_since=row["due_since"],
        )
        async for row in _sql.due(connection, on_date=on)
    ]


async def wait_no_longer(connection: Connection, seconds: float) -> None:
    """Let the transaction fail for now (`is_transient`) where it waits so long for a lock."""
    await _sql.wait_no_longer(connection, milliseconds=round(seconds * 1000))


async def people_of_due(
    connection: Connection,
    on: date,
    retention_class: str | None,
    after: SubjectId | None,
    most: int,
) -> list[SubjectId]:
    """The next people, at most so many, of whom something is due that can be read, by id from after
    this one on.
    """
    rows = _sql.people_of_due(
        connection, on_date=on, retention_class=retention_class, after=after, most=most
    )
    return [SubjectId(row["subject_id"]) async for row in rows]


async def readable_of(connection: Connection, people: Collection[SubjectId]) -> list[Scheduled]:
    """All that can be read of these people."""
    rows = _sql.readable_of(connection, subject_ids=list(people))
    return [Scheduled(**dict(row)) async for row in rows]


async def mark_unreadable(
    connection: Connection, rows: Collection[Scheduled], at: datetime
) -> None:
    """Note that no key of these rows is left, where they are still as they were read: they are not
    listed as due any more.
    """
    await _sql.mark_unreadable(
        connection,
        subject_ids=[row.subject_id for row in rows],
        item_ids=[row.item_id for row in rows],
        kinds=[row.kind for row in rows],
        parts=[row.part for row in rows],
        as_ofs=[row.as_of for row in rows],
        due_ons=[row.due_on for row in rows],
        at=at,
    )


async def go_over(connection: Connection, through: date) -> None:
    """Note that all that was due by a day is destroyed, or stays for a reason."""
    await _sql.go_over(connection, through=through)


async def due_since(connection: Connection, on: date) -> date | None:
    """Since when something is due on a day that nobody has gone over; None where nothing is."""
    since: date | None = await _sql.due_since(connection, on_date=on)
    return since
