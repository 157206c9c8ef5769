"""Nothing goes for good before somebody at the terminal has said so."""

from __future__ import annotations

import io
import sys

import pytest
import typer

from shared.runtime.confirming import confirm, see_that_somebody_is_asked
from tests.support.terminal import Terminal


def test_who_says_yes_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    confirm("Burn it?", err=True)
    told = capsys.readouterr()
    assert ("Burn it?" in told.err, told.out) == (True, "")


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_whoever_does_not_say_yes_ends_it(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    with pytest.raises(typer.Abort):
        confirm("Burn it?")


def test_a_yes_out_of_a_pipe_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(typer.BadParameter, match="nobody is here to ask: add --yes"):
        confirm("Burn it?")


def test_a_program_that_reads_the_output_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    see_that_somebody_is_asked()
    with pytest.raises(typer.BadParameter):
        see_that_somebody_is_asked(as_json=True)
