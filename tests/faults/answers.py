"""Right answers, or what a system answers: rows of tables and facts of topics, comparable.

Ids are replaced by what they stand for, times are those of the messages. What differs between two
right runs (ids, numbers of invoices, moments of the system's own clock) is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

Chain = tuple[str, Hashable]
"""A topic, and what in it has one right order: a registration, an invoice, a disclosure."""


@dataclass
class Answers:
    """`rows` by table; `facts` by chain, in the order in which a reader of the topic meets them.

    `either` are rows of which a timing that nobody promises decides: of each pair the second is
    right where all of it is there, and else the first.
    """

    rows: dict[str, Counter[Hashable]] = field(default_factory=lambda: defaultdict(Counter))
    facts: dict[Chain, list[Hashable]] = field(default_factory=lambda: defaultdict(list))
    either: list[tuple[Answers, Answers]] = field(default_factory=list)

    def row(self, table: str, *values: Hashable) -> None:
        self.rows[table][values] += 1

    def fact(self, topic: str, about: Hashable, *values: Hashable) -> None:
        self.facts[topic, about].append(values)

    def decided_by(self, found: Answers) -> dict[str, Counter[Hashable]]:
        """All rows, with those of each pair that were found."""
        rows = defaultdict(Counter, {table: Counter(known) for table, known in self.rows.items()})
        for first, second in self.either:
            is_there = all(found.rows[table] >= wanted for table, wanted in second.rows.items())
            for table, wanted in (second if is_there else first).rows.items():
                rows[table] += wanted
        return rows


@dataclass(frozen=True, slots=True)
class Difference:
    """How far what was found is from what is right. Each list holds sentences for people."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.reordered)


def compare(right: Answers, found: Answers) -> Difference:
    """What of the right answers is missing, what is there that should not be, what is not in order.

    A row with a wrong value is both: the right one is missing, and another one is there.
    """
    difference = Difference()
    right_rows, found_rows = right.decided_by(found), found.decided_by(found)
    for table in right_rows.keys() | found_rows.keys():
        _count(difference, table, right_rows[table], found_rows[table])
    for chain in right.facts.keys() | found.facts.keys():
        wanted, there = right.facts.get(chain, []), found.facts.get(chain, [])
        if wanted == there:
            continue
        place = f"topic {chain[0]}, {chain[1]}"
        if Counter(wanted) == Counter(there):
            difference.reordered.append(f"{place}: {there} instead of {wanted}")
        else:
            place += f" has {there} instead of {wanted}"
            _count(difference, place, Counter(wanted), Counter(there))
    return difference


def _count(
    difference: Difference, place: str, right: Counter[Hashable], found: Counter[Hashable]
) -> None:
    difference.lost.extend(_sentences(place, right - found))
    difference.doubled.extend(_sentences(place, found - right))


def _sentences(place: str, rows: Counter[Hashable]) -> Iterator[str]:
    return (f"{place}: {row}" for row in rows.elements())


def subtract(difference: Difference, known: Difference) -> Difference:
    """What of a difference was not known before."""
    return Difference(
        sorted((Counter(difference.lost) - Counter(known.lost)).elements()),
        sorted((Counter(difference.doubled) - Counter(known.doubled)).elements()),
        sorted((Counter(difference.reordered) - Counter(known.reordered)).elements()),
    )
