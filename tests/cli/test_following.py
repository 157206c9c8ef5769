"""`steward logs --follow`: what comes of a log, from its end on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.cli import log_files
from shared.local import logs
from shared.local.logs import open_log, rotate


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of the audit service, with two lines."""
    monkeypatch.setenv("STEWARD_HOME", str(tmp_path))
    path = tmp_path / "logs" / "audit.log"
    add(path, "one", "two")
    return path


def add(path: Path, *lines: str) -> None:
    with open_log(path) as writer:
        for line in lines:
            writer.write(f"{line}\n".encode())


def follow(monkeypatch: pytest.MonkeyPatch, *meanwhile: Callable[[], object]) -> None:
    """Each happens while it waits for more; then somebody presses Ctrl-C."""
    waits: Iterator[Callable[[], object]] = iter(meanwhile)

    def pause(_: float) -> None:
        happens = next(waits, None)
        if happens is None:
            raise KeyboardInterrupt
        happens()

    monkeypatch.setattr("services.cli.log_files.time.sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        log_files.print_log("audit", lines=1, follow=True)


def test_what_is_added_is_printed_as_it_comes_also_after_the_log_was_emptied(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def empty() -> None:
        assert rotate(log, max_bytes=0)
        add(log, "new")

    follow(monkeypatch, lambda: add(log, "three", "four"), empty, lambda: add(log, "newer"))
    assert capsys.readouterr().out == "two\nthree\nfour\nnew\nnewer\n"


def test_what_comes_while_the_end_is_printed_is_neither_lost_nor_repeated(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tail = logs.tail

    def slowly(path: Path, lines: int, *, max_bytes: int, end: int) -> list[str]:
        add(path, "three")
        found = tail(path, lines, max_bytes=max_bytes, end=end)
        add(path, "four")
        return found

    monkeypatch.setattr(log_files, "tail", slowly)
    follow(monkeypatch)
    assert capsys.readouterr().out == "two\nthree\nfour\n"
