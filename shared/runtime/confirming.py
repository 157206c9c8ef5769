"""What cannot be taken back is confirmed at the terminal. For commands: no service asks anybody."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout

import typer


def confirm(question: str, *, err: bool = False) -> None:
    """Return once somebody at the terminal has said yes. `err`: asked beside what programs read.

    Raises BadParameter, of which Typer makes exit code 2, where nobody is there; Abort, 1, for no.
    """
    see_that_somebody_is_asked()
    # With `err` alone the last space of the question goes to standard output.
    with redirect_stdout(sys.stderr) if err else nullcontext():
        typer.confirm(question, abort=True, err=err)


def see_that_somebody_is_asked(*, as_json: bool = False) -> None:
    """Raise BadParameter where nobody could answer: not at the terminal, or a program reads."""
    if as_json or not sys.stdin.isatty():
        raise typer.BadParameter("nobody is here to ask: add --yes", param_hint="--yes")
