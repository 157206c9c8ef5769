"""What is asked for in a page's address or form, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final, TypeVar
from urllib.parse import parse_qs
from uuid import UUID
from zoneinfo import ZoneInfo

from starlette.requests import Request

from services.audit.domain.entries import EntryFilter, moment
from services.audit.domain.paging import Place
from services.audit.store.console import Period
from shared.contract.days import read_day

MORE_FILTERS: Final = frozenset({"purpose", "category", "subject", "event", "actor"})
FILTERS: Final = ("since", "until", "type", "recipient", *sorted(MORE_FILTERS))

DAYS_AT_FIRST: Final = 30
MOST_DAYS: Final = 92
"""In one chart: a quarter. Bars of more days would be too thin to be seen."""

MOST_BYTES: Final = 4_096
"""Of a form: an e-mail address has 254 at most."""

_MOST_DIGITS: Final = 18
_LONGEST_NAME: Final = 200
_YEARS: Final = range(1970, 3000)
T = TypeVar("T")
D = TypeVar("D", bound=date)


@dataclass
class Form:
    """Values as they were given, by field, and what is wrong with which: a sentence each."""

    given: Mapping[str, str]
    faults: dict[str, str] = field(default_factory=dict)

    def read(self, name: str, parse: Callable[[str], T], expected: str) -> T | None:
        """The value, None where there is none, or where it is a fault now."""
        text = self.given.get(name, "").strip()
        if not text:
            return None
        try:
            return parse(text)
        except (ValueError, OverflowError):
            self.faults[name] = expected
            return None


class FormError(Exception):
    """A value in a page's address is wrong that no field of the page can show."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which entries are asked for, and where among them. `asked` says nothing of a person yet, whom
    `subject` names by one of perhaps several ids.
    """

    form: Form
    asked: EntryFilter
    subject: UUID | None
    place: Place

    @property
    def given(self) -> dict[str, str]:
        """The filters that are used, as they were given."""
        return {name: text for name in FILTERS if (text := self.form.given.get(name, ""))}

    @property
    def uses_more(self) -> bool:
        """Whether any is used that is folded away else."""
        return not MORE_FILTERS.isdisjoint(self.given)


def read_search(query: Mapping[str, str], zone: ZoneInfo, types: Iterable[str]) -> Search:
    """The filters of the search. What is wrong stands in the form's faults."""
    form = Form(query)
    a_day = "Give a day or a moment, as 2026-11-30 or 2026-11-30T12:00+02:00."
    an_id = "Give the whole id, as 0b5e7c1a-8a53-4c9f-9a55-3d1c2f0a7e11."
    a_name = "Give a name as the plan or an entry has it."
    subject = form.read("subject", UUID, an_id)
    known = frozenset(types)
    asked = EntryFilter(
        since=form.read("since", lambda text: _near(moment(text, zone)), a_day),
        until=form.read("until", lambda text: _near(moment(text, zone, end_of_day=True)), a_day),
        recipient=form.read("recipient", read_name, a_name),
        purpose=form.read("purpose", read_name, a_name),
        event_id=form.read("event", UUID, an_id),
        category=form.read("category", read_name, a_name),
        type=form.read("type", lambda text: _one_of(known, text), "Choose one from the list."),
        actor=form.read("actor", read_name, a_name),
    )
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        form.faults["until"] = "Give a day that is not before the first one."
    place = Place(read_number(query, "before"), read_number(query, "after"))
    return Search(form, asked, subject, place)


def read_number(query: Mapping[str, str], name: str) -> int | None:
    """The number of an entry or a checkpoint, from where a page goes on. Raises `FormError`."""
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise FormError(f"The address is wrong: “{name}” takes a number.")
    return int(text)


@dataclass(frozen=True, slots=True)
class Days:
    """Days from the first to the last, both included, in a time zone."""

    form: Form
    first: date
    last: date
    zone: ZoneInfo

    @property
    def period(self) -> Period:
        """The moments that these days have."""
        return Period(
            self._begin(self.first), self._begin(self.last + timedelta(days=1)), self.zone.key
        )

    def _begin(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)


def read_days(query: Mapping[str, str], today: date, zone: ZoneInfo) -> Days:
    """The days of a chart: those up to today, where none are given or these are wrong."""
    form = Form(query)
    expected = "Give a day, as 2026-11-30."
    last = form.read("until", _day, expected) or today
    first = form.read("since", _day, expected) or last - timedelta(DAYS_AT_FIRST - 1)
    if not form.faults and not 0 <= (last - first).days < MOST_DAYS:
        form.faults["since"] = (
            f"Give a day up to {MOST_DAYS} days before the last one, not after it."
        )
    if form.faults:
        last, first = today, today - timedelta(DAYS_AT_FIRST - 1)
    return Days(form, first, last, zone)


async def read_posted(request: Request) -> Mapping[str, str]:
    """The fields of a posted form, each once. Raises `FormError`."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise FormError("The form is too long.")
    try:
        fields = parse_qs(body.decode(), max_num_fields=8)
    except ValueError:
        raise FormError("The form cannot be read.") from None
    return {name: values[0] for name, values in fields.items()}


def read_name(text: str) -> str:
    """A name out of a plan, or of an account. ValueError where it can be none."""
    if not text.isprintable() or len(text) > _LONGEST_NAME:
        raise ValueError(text)
    return text


def _day(text: str) -> date:
    return _near(read_day(text))


def _near(day: D) -> D:
    """Not so far away that it could not be counted on from, or be a timestamp of the database."""
    if day.year not in _YEARS:
        raise ValueError(day)
    return day


def _one_of(known: frozenset[str], text: str) -> str:
    if text not in known:
        raise ValueError(text)
    return text
