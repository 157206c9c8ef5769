"""Lists of an event's people for a recipient: what for, and which fields."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.registration.domain.forms import FieldRule

RISKY_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Part:
    """One purpose of a list. Who gave nothing in the `own` categories is none of its business."""

    purpose: str
    fields: tuple[str, ...]
    own: frozenset[str]


def parts(
    purposes: Mapping[str, Collection[str]], fields: Sequence[str], rules: Iterable[FieldRule]
) -> list[Part]:
    """What a recipient gets of an event, by purpose.

    `purposes` are the recipient's with the categories of each, `fields` what the plan lets it
    have, `rules` what the form collects. A purpose counts where the form collects something for
    it; the fields are those that all three allow.
    """
    collected = list(rules)
    filled = {rule.field for rule in collected}
    found = []
    for purpose, categories in purposes.items():
        wanted = tuple(
            name for name in fields if name in filled and name.partition(".")[0] in categories
        )
        own = frozenset(
            rule.category for rule in collected if rule.purpose == purpose and rule.field in wanted
        )
        if own:
            found.append(Part(purpose, wanted, own))
    return found


def each_field_once(found: Iterable[Part]) -> list[Part]:
    """The same parts without what an earlier one has already; none without a field."""
    taken: set[str] = set()
    narrowed = []
    for part in found:
        fields = tuple(name for name in part.fields if name not in taken)
        taken.update(fields)
        if fields:
            narrowed.append(replace(part, fields=fields))
    return narrowed


def cell(value: object) -> str:
    """A value as a cell of a CSV file. What a spreadsheet would take for a formula, it must not
    (CWE-1236): an apostrophe before it makes it text.
    """
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(RISKY_STARTS) else text
