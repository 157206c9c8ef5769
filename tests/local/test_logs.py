from __future__ import annotations

from pathlib import Path

from shared.local.logs import open_log, rotate, tail


def test_a_log_is_cut_when_it_grows_too_large_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "it.log"
    with open_log(path) as writer:
        writer.write(b"old\n" * 10)
        assert rotate(path, max_bytes=39)
        writer.write(b"new\n")
    assert tail(path, 10) == ["new"]
    assert tail(tmp_path / "it.log.1", 2) == ["old", "old"]


def test_the_end_of_a_log_has_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "it.log"
    path.write_text("one\ntwo\nthree\n", "utf-8")
    assert [tail(path, number) for number in (0, 1, 9)] == [[], ["three"], ["one", "two", "three"]]
    assert tail(path, 9, max_bytes=9) == ["three"]
    assert tail(path, 9, max_bytes=10) == ["two", "three"]
    assert tail(path, 9, max_bytes=3) == ["ee"]
    assert tail(path, 9, max_bytes=0) == []
