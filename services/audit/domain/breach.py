"""What follows from a recipient having lost data (GDPR, articles 33 and 34). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

NOTIFY_WITHIN: Final = timedelta(hours=72)
"""Article 33(1). Hours are counted as they come, on Sundays too: never more than the law gives."""


@dataclass(frozen=True, slots=True)
class LostCategory:
    """One category of data: of how many people, in how many records (entries of the log)."""

    name: str
    people: int
    records: int


@dataclass(frozen=True, slots=True)
class Alike:
    """People of whom the recipient has the same categories. `subjects`: 16 bytes for each."""

    categories: tuple[str, ...]
    subjects: bytes = field(repr=False)

    @property
    def people(self) -> int:
        return len(self.subjects) // 16

    def subject_ids(self) -> Iterator[UUID]:
        """Who they are, one by one."""
        for start in range(0, len(self.subjects), 16):
            yield UUID(bytes=self.subjects[start : start + 16])


def alike(found: Iterable[tuple[frozenset[str], bytes]]) -> tuple[Alike, ...]:
    """Groups of people with the categories that the recipient has of them; each set comes once."""
    together: dict[tuple[str, ...], list[bytes]] = {}
    for categories, subjects in found:
        together.setdefault(tuple(sorted(categories)), []).append(subjects)
    return tuple(Alike(one, b"".join(together[one])) for one in sorted(together))


@dataclass(frozen=True, slots=True)
class Lost:
    """What the log says that a recipient got in a span. A record is one person in one disclosure.

    `unconfirmed` of the records may not have arrived; `undelivered` come on top: they did not.
    """

    disclosures: int
    unconfirmed: int
    undelivered: int
    first_at: datetime | None
    last_at: datetime | None
    of_set: Mapping[frozenset[str], int]
    """How many records there are of each set of categories."""
    alike: tuple[Alike, ...]

    @property
    def records(self) -> int:
        return sum(self.of_set.values())

    @property
    def people(self) -> int:
        """Subjects: who proved to be one person counts as often as they were."""
        return sum(one.people for one in self.alike)

    @property
    def categories(self) -> tuple[LostCategory, ...]:
        """Each category with its people and records, by name."""
        names = sorted({name for one in self.alike for name in one.categories})
        return tuple(
            LostCategory(
                name,
                sum(one.people for one in self.alike if name in one.categories),
                sum(count for one, count in self.of_set.items() if name in one),
            )
            for name in names
        )


Kind = Literal["special", "ordinary", "unknown"]
"""Of a category: special (article 9), not, or of a name that no plan has."""

Duty = Literal["ours", "arrangement", "theirs_first", "unknown"]
"""Whose the notification is: see `duty_of`."""

Telling = Literal["required", "to_be_judged", "nobody"]
"""Whether the people have to be told (article 34)."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The time for the notification to the authority (article 33(1))."""

    known_at: datetime
    deadline: datetime
    left: timedelta
    """Until the deadline; negative where it is over."""

    @property
    def is_over(self) -> bool:
        """Then the notification has to say why it is late."""
        return self.left < timedelta()


@dataclass(frozen=True, slots=True)
class Consequences:
    """What the law asks for."""

    duty: Duty
    clock: Clock
    telling: Telling
    special: tuple[str, ...]
    """The categories because of which the people are told."""
    unknown: tuple[str, ...]
    """Categories that nobody can tell the risk of but a person who knows the older plan."""


def clock(known_at: datetime, now: datetime) -> Clock:
    """72 hours from when it became known."""
    # In UTC: where clocks are put back, a sum in local time would be an hour too long.
    deadline = known_at.astimezone(UTC) + NOTIFY_WITHIN
    return Clock(known_at, deadline, deadline - now)


def consequences(lost: Lost, kinds: Mapping[str, Kind], duty: Duty, running: Clock) -> Consequences:
    """What follows from what was lost. `kinds` has one for each category."""

    def of_kind(kind: Kind) -> tuple[str, ...]:
        return tuple(one.name for one in lost.categories if kinds[one.name] == kind)

    special = of_kind("special")
    return Consequences(duty, running, _telling(lost, special), special, of_kind("unknown"))


def _telling(lost: Lost, special: Sequence[str]) -> Telling:
    """Data that the law protects more makes the risk high. Of any other somebody has to judge:
    whether a name and an address endanger a person stands in no plan.
    """
    if not lost.people:
        return "nobody"
    return "required" if special else "to_be_judged"


def duty_of(role: str | None) -> Duty:
    """Whose the notification is, by the recipient's role; None: no plan has the recipient.

    A processor acts for us, and participants are private people: the breach is ours. With a joint
    controller an arrangement says it (article 26). Anybody else is a controller of what it was
    given (article 4(7)) and has the duty first.
    """
    duties: Mapping[str | None, Duty] = {
        "processor": "ours",
        "participants": "ours",
        "joint_controller": "arrangement",
        None: "unknown",
    }
    return duties.get(role, "theirs_first")
