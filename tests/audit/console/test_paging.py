"""Pages of a log that is looked through from its end, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.entries import StoredEntry
from services.audit.domain.paging import Bounds, Page, Place, page_of, window_of


def look(matching: set[int], bounds: Bounds | int, place: Place, *, size: int, most: int) -> Page:
    """A page as the database would give it, of a log with these matching entries."""
    bounds = Bounds(0, bounds) if isinstance(bounds, int) else bounds
    window = window_of(place, bounds, most)
    found = sorted(one for one in matching if window.after < one < window.before)
    if place.after is None:
        found.reverse()
    entries = [StoredEntry(one, b"") for one in found[: size + 1]]
    return page_of(entries, size, place, window, bounds)


def numbers(page: Page) -> list[int]:
    return [entry.sequence for entry in page.entries]


def test_an_empty_log_has_one_empty_page() -> None:
    assert look(set(), 0, Place(), size=5, most=100) == Page((), None, None)


def test_a_place_beyond_the_log_is_its_end() -> None:
    at_the_end = look({0, 1, 2}, 3, Place(before=1_000), size=5, most=100)
    assert numbers(at_the_end) == [2, 1, 0]
    assert at_the_end.newer is None
    beyond = look({0, 1, 2}, 3, Place(after=1_000), size=5, most=100)
    assert numbers(beyond) == []
    assert beyond.older == Place(before=3)


def test_where_nothing_matched_in_a_window_the_next_one_is_offered() -> None:
    page = look({1}, 1_000, Place(), size=5, most=100)
    assert numbers(page) == []
    assert page.older == Place(before=900)


def test_nothing_is_looked_for_outside_of_the_bounds() -> None:
    matching, bounds = set(range(100)), Bounds(40, 50)
    page = look(matching, bounds, Place(), size=20, most=100)
    assert (numbers(page), page.older, page.newer) == (list(range(49, 39, -1)), None, None)
    assert numbers(look(matching, bounds, Place(after=3), size=2, most=100)) == [41, 40]
    assert numbers(look(matching, bounds, Place(before=3), size=2, most=100)) == []


@given(
    st.sets(st.integers(0, 59)),
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted),
    st.integers(1, 7),
    st.integers(1, 20),
)
def test_whoever_goes_on_sees_every_match_once_and_in_order(
    log: set[int], span: list[int], size: int, most: int
) -> None:
    bounds = Bounds(*span)
    page, seen = look(log, bounds, Place(), size=size, most=most), list[int]()
    while True:
        seen += numbers(page)
        if page.older is None:
            break
        page = look(log, bounds, page.older, size=size, most=most)
    assert seen == sorted(log & set(range(*span)), reverse=True)
    back = numbers(page)
    while page.newer is not None:
        page = look(log, bounds, page.newer, size=size, most=most)
        back = numbers(page) + back
    assert back == seen
