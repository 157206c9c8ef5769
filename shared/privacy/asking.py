"""How a command is told whom it is about, without the address standing in a list of processes."""

from __future__ import annotations

from typing import TextIO

FROM_INPUT = "-"


def asked_for(argument: str, source: TextIO) -> str:
    """What names a person: the argument or, where that is `-`, the first line of the source.

    ValueError, with a sentence for the user, where there is nothing.
    """
    text = source.readline() if argument == FROM_INPUT else argument
    if not text.strip():
        raise ValueError("nobody is named: give an e-mail address, or - and a line of input")
    return text.strip()
