"""How a command is told whom it is about, without the address standing in a list of processes."""

from __future__ import annotations

import sys
from typing import Final

import typer

from shared.privacy.errors import AliasError
from shared.privacy.subjects import normalise_email

FROM_INPUT: Final = "-"


def who_is_named(argument: str, parameter: str) -> str:
    """What names a person: the argument or, where that is `-`, the next line of standard input.

    BadParameter, of which Typer makes exit code 2, where there is nothing, or what is no UTF-8.
    """
    try:
        text = sys.stdin.readline() if argument == FROM_INPUT else argument
    except UnicodeDecodeError:
        # The error holds the bytes that it met.
        raise typer.BadParameter("standard input is not UTF-8", param_hint=parameter) from None
    if not text.strip():
        raise typer.BadParameter(
            "nobody is named: give an e-mail address, or - and a line of input",
            param_hint=parameter,
        )
    return text.strip()


def email_named(argument: str, parameter: str) -> str:
    """The same, which has to be an e-mail address; else BadParameter, which does not repeat it."""
    named = who_is_named(argument, parameter)
    try:
        normalise_email(named)
    except AliasError:
        raise typer.BadParameter("this is no e-mail address", param_hint=parameter) from None
    return named
