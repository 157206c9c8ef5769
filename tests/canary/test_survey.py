"""A survey counts what it searched, tells leaks without values, and reads files whole."""

from __future__ import annotations

import os
from pathlib import Path

from tests.canary.marks import PLANTED, Mark, Marks
from tests.canary.searcher import CHUNK, Searcher
from tests.canary.survey import Leak, Row, Survey, anyones
from tests.canary.wal_files import FIRST_HEADER, HEADER, PAGE, look_at_wal

MARKS = Marks.make(os.urandom)


def survey() -> Survey:
    return Survey(Searcher(MARKS))


def test_a_leak_is_named_by_place_encoding_and_field_and_not_by_what_it_says() -> None:
    found = survey()
    found.look("logs", "consent.log", [MARKS.email_of(4711).encode().hex().encode()])
    leak = Leak("logs", "consent.log", "hex", "email")
    assert found.leaks == {leak: 1}
    assert str(leak) == "logs: consent.log: email in hex"


def test_what_may_be_there_is_no_leak_and_counted() -> None:
    found = survey()
    text = f"{MARKS.of(1, 'diet')} {MARKS.of(2, 'name')} {MARKS.of(PLANTED, 'other')}".encode()
    found.look("topic", "one", [text], anyones)
    found.look("topic", "two", [text], lambda mark: mark.person == 1)
    assert found.rows == {"topic": Row(2, 2 * len(text), found=4, allowed=3, planted=2)}
    assert found.leaks == {Leak("topic", "two", "UTF-8", "name"): 1}
    assert found.allowed == {Mark(1, "diet"): 2, Mark(2, "name"): 1}


def test_a_mark_that_a_page_of_the_write_ahead_log_cuts_is_found_whole(tmp_path: Path) -> None:
    """Cut, a mark that we planted could not be told from a leak, and a leak not be seen at all."""
    found = survey()
    for before, (person, field) in enumerate([(PLANTED, "other"), (4711, "diet")] * 10):
        mark = MARKS.of(person, field).encode()
        at = before % len(mark)
        first = bytes(PAGE - FIRST_HEADER - at) + mark[:at]
        second = mark[at:] + bytes(PAGE - HEADER - len(mark) + at)
        pages = (b"\x01" * FIRST_HEADER, first, b"\x02" * HEADER, second)
        (tmp_path / f"{before:024X}").write_bytes(b"".join(pages))
    (tmp_path / "other").write_bytes(MARKS.of(4711, "diet").encode())
    look_at_wal(found, "log", tmp_path)
    assert found.rows["log"].planted == 10
    assert found.leaks.total() == 11
    assert {leak.field for leak in found.leaks} == {"diet"}


def test_files_with_holes_are_searched_to_the_end_and_across_what_is_read_at_once(
    tmp_path: Path,
) -> None:
    file = tmp_path / "large"
    places = (0, CHUNK - 9, 5 * CHUNK - 9, 9 * CHUNK + 17)
    with file.open("wb") as out:
        for place in places:
            out.seek(place)
            out.write(MARKS.of(4711, "diet").encode())
        out.truncate(20 * CHUNK)
    found = survey()
    found.look_below("files", tmp_path, anyones)
    assert found.allowed == {Mark(4711, "diet"): len(places)}


def test_links_are_not_followed_and_folders_are_left_out(tmp_path: Path) -> None:
    for name in ("kept/one", "left/two"):
        file = tmp_path / name
        file.parent.mkdir()
        file.write_text(MARKS.of(1, "name"), "utf-8")
    (tmp_path / "kept" / "link").symlink_to(tmp_path / "left")
    found = survey()
    found.look_below("files", tmp_path, without={tmp_path / "left"})
    assert found.leaks == {Leak("files", "kept/one", "UTF-8", "name"): 1}
