"""Tables as commands draw them, read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def rows(shown: str) -> list[list[str]]:
    """The cells of every row of every table, without headings."""
    lines = (line.strip() for line in shown.splitlines())
    return [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in lines
        if line.startswith("│")
    ]


def numbers(shown: Sequence[Sequence[str]], cells: int) -> dict[str, int]:
    """The number in each row of so many cells, by what stands before it."""
    return {row[0]: int(row[1].replace(",", "")) for row in shown if len(row) == cells}


def in_words(counted: Mapping[str, int]) -> dict[str, int]:
    """Names as tables show them."""
    return {name.replace("_", " "): number for name, number in counted.items()}
