"""When what is kept must go: anchors, periods and due dates, from the plan's retention classes.

A period that is given in days, months or years begins on the day after its anchor and ends with the
last hour of its last day (Regulation (EEC, Euratom) No 1182/71, article 3): what is kept for it is
due on the day after that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, Literal, Protocol, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.contract.registration import EventState
from shared.contract.types import EventId, SubjectId
from shared.contract.value_type import value_type

Kind = Literal["registration", "category", "invoice", "consent"]

EVENT_END: Final = "event_end"


class Period(Protocol):
    """A length of time in years, months and days, as the plan has it."""

    def after(self, anchor: date) -> date:
        """The last day of the period that begins on the day after `anchor`."""
        ...


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """How long data of a class are kept, and from when on."""

    name: str
    anchor: str
    period: Period


@dataclass(frozen=True, slots=True)
class Rules:
    """How long things are kept: the classes that the plan in force has, by name, and the class of
    each category that any plan had, by the plan in force or else by the newest that had it (ADR
    98). What is in the schedule keeps its anchor: `kept_from` has the class of each (category,
    anchor) by the newest plan that counted so. Whatever is scheduled or moved goes by these.
    """

    classes: Mapping[str, RetentionClass]
    of_category: Mapping[str, RetentionClass]
    kept_from: Mapping[tuple[str, str], RetentionClass]


@dataclass(frozen=True, slots=True)
class EventAnchor:
    """What is known of an event; of two the higher version holds. `ends_on` is the day from which
    everything that is kept for it counts.
    """

    event_id: EventId
    version: int
    unit: str
    ends_on: date


@dataclass(frozen=True, slots=True)
class Term:
    """What a thing is, and by when it must go: the same of many things. `part` is what of it is
    kept: a category of its data, or the class that an invoice is kept in. `due_on` is None until
    its anchor is.
    """

    kind: Kind
    part: str
    event_id: EventId | None
    retention_class: str
    anchor: str
    anchor_date: date | None
    due_on: date | None


@value_type
class Item:
    """One thing that is kept, and how long each part of it. `item_id` is the registration, the
    invoice or, for what rests on consent, the person.
    """

    terms: Sequence[Term]
    item_id: UUID
    subject_id: SubjectId
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One part of one thing as it stands in the schedule, and when what it tells came about."""

    kind: Kind
    item_id: UUID
    part: str
    subject_id: SubjectId
    event_id: EventId | None
    retention_class: str
    anchor: str
    anchor_date: date | None
    due_on: date | None
    as_of: datetime


NameOfKey: TypeAlias = tuple[SubjectId, str, str]
"""Person, category and context."""


@dataclass(frozen=True, slots=True)
class DueKey:
    """A key that seals nothing but what is due, and the class that it is kept in. `ended_at` is
    when the consent ended that it hangs on: a yes after that is not due. None where nothing that is
    said later puts it off.
    """

    name: NameOfKey
    retention_class: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What is to be destroyed, and what of the schedule nobody can read after that."""

    keys: Sequence[DueKey]
    rows: Sequence[Scheduled]


@dataclass(frozen=True, slots=True)
class Former:
    """A category that a class had until a plan came into force that has it there no longer.
    `kept_now` is the class that has it by the plan in force; None where that lacks it.
    """

    category: str
    until: datetime
    kept_now: RetentionClass | None


@dataclass(frozen=True, slots=True)
class Books:
    """What invoices are sealed in: the categories that each class has, and those that it had. In
    these an invoice is sealed that was issued before: it does not go before the class lets it that
    has the category now. What was issued later is kept by the class of now alone.
    """

    categories: Mapping[str, Collection[str]]
    former: Mapping[str, Collection[Former]]


@dataclass(frozen=True, slots=True)
class DueGroup:
    """How much of one event and class is due and can be read: items, the people they are of, the
    first day.
    """

    event_id: UUID | None
    unit: str | None
    retention_class: str
    anchor: str
    items: int
    people: int
    due_since: date


def event_anchor(event: EventState) -> EventAnchor:
    """The day on which the event ends, in its own time zone: that is the day people know. Of what
    is cancelled the day of that, where it is known and comes earlier: nothing of it is needed then.
    """
    ends_at = event.ends_at
    if event.status == "cancelled" and event.cancelled_at is not None:
        ends_at = min(ends_at, event.cancelled_at)
    try:
        ends_on = ends_at.astimezone(ZoneInfo(event.time_zone)).date()
    except OverflowError:  # in the first or the last hours that there are: nobody knows that day
        ends_on = ends_at.date()
    return EventAnchor(event.event_id, event.version, event.unit, ends_on)


def newest(anchors: Iterable[EventAnchor]) -> dict[EventId, EventAnchor]:
    """Of each event the highest version, in whichever order they come."""
    known: dict[EventId, EventAnchor] = {}
    for anchor in anchors:
        held = known.get(anchor.event_id)
        if held is None or anchor.version > held.version:
            known[anchor.event_id] = anchor
    return known


def end_of_calendar_year(day: date) -> date:
    """The last day of the calendar year in which the day is."""
    return date(day.year, 12, 31)


def due_on(anchor: date, period: Period) -> date:
    """The first day on which what is kept for the period may be kept no longer. `date.max`, which
    PostgreSQL keeps as infinity, where there is no such day.
    """
    last = period.after(anchor)
    return last if last == date.max else last + timedelta(days=1)


def anchor_date(anchor: str, start: date) -> date:
    """The day from which a class with this anchor counts, for a start that its things have.

    A voucher is kept from the end of the calendar year in which its financial year ended, the
    ledger from the end of the financial year itself (Accounting Act 1336/1997, chapter 2,
    section 10): the two differ where a financial year does not end in December.
    """
    return end_of_calendar_year(start) if anchor == "financial_year_calendar_end" else start


def term(
    kind: Kind,
    part: str,
    event_id: EventId | None,
    retention_class: RetentionClass,
    start: date | None,
) -> Term:
    """How long a part is kept, and when it is due; `start` is None while no period has begun."""
    begins = None if start is None else anchor_date(retention_class.anchor, start)
    return Term(
        kind=kind,
        part=part,
        event_id=event_id,
        retention_class=retention_class.name,
        anchor=retention_class.anchor,
        anchor_date=begins,
        due_on=None if begins is None else due_on(begins, retention_class.period),
    )


def longest(classes: Iterable[RetentionClass], start: date) -> RetentionClass | None:
    """The class that keeps longest from the same start; None where there is none."""
    return max(classes, key=lambda kept: (kept.period.after(start), kept.name), default=None)


def class_of_registration(
    categories: Iterable[str], rules: Rules, ends_on: date
) -> RetentionClass | None:
    """A registration is kept as long as the last of its categories that count from the event's end;
    where it has none, as long as the plan in force keeps any. None where that keeps none so.
    """
    of_it = [rules.of_category[name] for name in categories if name in rules.of_category]
    return longest(_from_event(of_it) or _from_event(rules.classes.values()), ends_on)


def _from_event(classes: Iterable[RetentionClass]) -> list[RetentionClass]:
    return [one for one in classes if one.anchor == EVENT_END]


def rescheduled(
    rows: Sequence[Scheduled], ends_on: Mapping[EventId, date], rules: Rules
) -> list[tuple[Scheduled, Scheduled]]:
    """Which rows these rules change, before and after. Pure.

    `rows` are whole items: all that is kept of each. `ends_on` is when events end as it is known
    now. What the rules say nothing of from the same anchor stays as it is.
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
        return rules.kept_from.get((row.part, row.anchor))
    if row.kind == "consent":
        return rules.kept_from.get((row.part.partition("/")[2], row.anchor))
    if row.kind == "invoice":
        return rules.classes.get(row.part)
    categories = [part.part for part in parts if part.kind == "category"]
    return None if start is None else class_of_registration(categories, rules, start)


def what_is_due(
    rows: Sequence[Scheduled],
    on: date,
    books: Books,
    only: str | None = None,
    staying: Collection[NameOfKey] = (),
) -> Unsealed:
    """The keys of what may be kept no longer on a day, of one class or of all. Pure.

    `rows` are all that can be read of some people. A key that seals something else too stays, as
    one that two consents share while one of them holds; so do those that are `staying`.
    """
    due = {row: _is_due(row, on, books, only) for row in rows}
    keys = {row: _keys_of(row, books) for row in rows}
    kept = {key.name for row in rows if not due[row] for key in keys[row]}.union(staying)
    gone = {
        row
        for row in rows
        if due[row] and keys[row] and kept.isdisjoint(key.name for key in keys[row])
    }
    readable = {(row.subject_id, row.item_id) for row in rows if keys[row] and row not in gone}
    # Of a registration nothing is left to read once all that was given with it is gone.
    gone |= {
        row
        for row in rows
        if due[row] and row.kind == "registration" and (row.subject_id, row.item_id) not in readable
    }
    # Of consents that share a key, the one that ended last tells.
    last = sorted((row for row in rows if row in gone), key=lambda row: row.as_of)
    names = {key.name: key for row in last for key in keys[row]}
    return Unsealed(list(names.values()), [row for row in rows if row in gone])


def _is_due(row: Scheduled, on: date, books: Books, only: str | None) -> bool:
    if (only is not None and row.retention_class != only) or row.due_on is None or row.due_on > on:
        return False
    if row.kind != "invoice" or row.anchor_date is None:
        return True
    # Whichever day of the year the other class counts from, it is none after that.
    year_ends = end_of_calendar_year(row.anchor_date)
    kept_now = [one.kept_now for one in _former(row, books) if one.kept_now is not None]
    return all(due_on(year_ends, kept.period) <= on for kept in kept_now)


def _former(row: Scheduled, books: Books) -> list[Former]:
    """What the class of an invoice had when that was issued, and has not now."""
    return [one for one in books.former.get(row.retention_class, ()) if row.as_of < one.until]


def _keys_of(row: Scheduled, books: Books) -> list[DueKey]:
    """The names under which the service that sealed it has made keys; none of what has no data."""
    if row.kind == "category":
        named = [(row.part, f"event:{row.event_id}")]
    elif row.kind == "consent":
        named = [(row.part.partition("/")[2], "")]
    elif row.kind == "invoice" and row.anchor_date is not None:
        # Both kinds of days lie in the calendar year that the financial year is named by.
        year = f"year:{row.anchor_date.year}"
        categories = [*books.categories.get(row.retention_class, ())]
        categories += [one.category for one in _former(row, books)]
        named = [(category, year) for category in categories]
    else:
        named = []
    ended_at = row.as_of if row.kind == "consent" else None
    return [
        DueKey((row.subject_id, category, context), row.retention_class, ended_at)
        for category, context in named
    ]
