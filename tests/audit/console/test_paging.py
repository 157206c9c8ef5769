"""Pages of a log that is looked through from its end, and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.entries import StoredEntry
from services.audit.domain.paging import Page, Place, page_of, window_of


def look(matching: set[int], end: int, place: Place, *, size: int, most: int) -> Page:
    """A page as the database would give it, of a log with these matching entries."""
    window = window_of(place, end, most)
    found = sorted(one for one in matching if window.after < one < window.before)
    if place.after is None:
        found.reverse()
    entries = [StoredEntry(one, b"") for one in found[: size + 1]]
    return page_of(entries, size, place, window, end)


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


logs = st.integers(0, 60).flatmap(
    lambda end: st.tuples(st.just(end), st.sets(st.integers(0, max(end - 1, 0)), max_size=end))
)


@given(logs, st.integers(1, 7), st.integers(1, 20))
def test_whoever_goes_on_sees_every_match_once_and_in_order(
    log: tuple[int, set[int]], size: int, most: int
) -> None:
    end, matching = log
    page, seen = look(matching, end, Place(), size=size, most=most), []
    while True:
        seen += numbers(page)
        if page.older is None:
            break
        page = look(matching, end, page.older, size=size, most=most)
    assert seen == sorted(matching, reverse=True)
    back = numbers(page)
    while page.newer is not None:
        page = look(matching, end, page.newer, size=size, most=most)
        back = numbers(page) + back
    assert back == seen
