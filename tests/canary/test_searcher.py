"""The searcher misses no mark: in no encoding, at no offset, across no border of chunks."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.canary.marks import FIELDS, MOST_PEOPLE, NOBODY, Mark, Marks
from tests.canary.searcher import Searcher
from tests.canary.writings import WRITINGS

MARKS = Marks.make(os.urandom)
SEARCHER = Searcher(MARKS)

# A mark ends where the field ends: what is beside it in the same encoding is another text.
beside = st.text(st.characters(max_codepoint=127, exclude_characters="\0"), max_size=70)
people = st.integers(NOBODY, MOST_PEOPLE - 1)
noise = st.binary(max_size=40)


@st.composite
def marked(draw: st.DrawFn) -> tuple[str, Mark]:
    person = draw(people)
    field = draw(st.sampled_from(FIELDS))
    match field:
        case "phone":
            return MARKS.phone_of(person), Mark(person, field)
        case "nights":
            return str(MARKS.number_of(person)), Mark(person, field)
        case "email":
            return MARKS.email_of(person), Mark(person, field)
    return MARKS.of(person, field), Mark(person, field)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("name", WRITINGS)
@given(one=marked(), before=beside, after=beside, around=noise, size=st.integers(1, 400))
def test_a_mark_is_found_in_every_encoding_at_every_offset_across_every_border(
    name: str, one: tuple[str, Mark], before: str, after: str, around: bytes, size: int
) -> None:
    encoding, write = WRITINGS[name]
    text, mark = one
    if encoding == "UTF-8":
        after = f".{after}"  # or digits of another text would go on with it
    data = around + write(before + text + after) + around
    found = list(SEARCHER.search(cut(data, size)))
    assert mark in [each.mark for each in found if each.encoding in {encoding, "UTF-8"}]
    assert found == list(SEARCHER.search([data])), "borders of chunks change nothing"


@given(one=marked(), name=st.sampled_from(sorted(WRITINGS)), lost=st.integers(1, 60))
def test_what_is_cut_off_is_found_and_nobodys(one: tuple[str, Mark], name: str, lost: int) -> None:
    _, write = WRITINGS[name]
    data = write(one[0])[:-lost]
    for found in SEARCHER.search([data]):
        assert found.mark.person in {None, one[1].person}


@given(noise=st.binary(max_size=5_000))
def test_noise_has_no_mark(noise: bytes) -> None:
    assert list(SEARCHER.search([noise])) == []


def test_the_marks_of_another_run_are_not_ours() -> None:
    other = Marks.make(os.urandom)
    written = f"{other.of(7, 'name')} {other.phone_of(7)} {other.number_of(7)}".encode()
    assert list(SEARCHER.search([written])) == []


def test_a_mark_in_base64_in_json_in_base64_is_not_what_we_look_for_but_in_json_it_is() -> None:
    told = {"value": base64.b64encode(MARKS.of(3, "name").encode()).decode()}
    (found,) = SEARCHER.search([orjson.dumps(told)])
    assert (found.encoding, found.mark) == ("base64", Mark(3, "name"))
