"""Pages of the log, the newest first: found by number, whatever is appended meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.audit.domain.entries import StoredEntry


class Place(NamedTuple):
    """Where a page is: right below a number, or right above one; at the end of the log for none."""

    before: int | None = None
    after: int | None = None


class Bounds(NamedTuple):
    """Between which numbers anything can be at all: `first <= sequence < end`."""

    first: int
    end: int


class Window(NamedTuple):
    """What is looked through for a page: `after < sequence < before`."""

    after: int
    before: int


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, the newest first; the places of the older and the newer page, None for no such."""

    entries: tuple[StoredEntry, ...]
    older: Place | None
    newer: Place | None


def window_of(place: Place, bounds: Bounds, most: int) -> Window:
    """At most so many entries, inside of the bounds."""
    first, end = bounds
    if place.after is not None:
        after = max(first - 1, min(place.after, end - 1))
        return Window(after, min(after + 1 + most, end))
    before = end if place.before is None else max(first, min(place.before, end))
    return Window(max(before - 1 - most, first - 1), before)


def page_of(
    found: Sequence[StoredEntry], size: int, place: Place, window: Window, bounds: Bounds
) -> Page:
    """The page out of what was found in its window, one more than its size where there is more.

    Found in the direction of reading: upwards where the place says `after`, else downwards. An
    empty page can have others: whoever goes on looks through what was not looked through yet.
    """
    entries, more = tuple(found[:size]), len(found) > size
    oldest, newest = window.after + 1, window.before - 1
    if place.after is not None:
        newest = entries[-1].sequence if more else newest
        entries = entries[::-1]
    elif more:
        oldest = entries[-1].sequence
    return Page(
        entries,
        Place(before=oldest) if oldest > bounds.first else None,
        Place(after=newest) if newest < bounds.end - 1 else None,
    )
