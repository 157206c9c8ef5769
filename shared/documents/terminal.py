"""A document on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from shared.documents.document import Cell, Document, Fact, Section, Table


def print_document(document: Document, console: Console) -> None:
    """The whole text, as wide as the terminal. What it says is text and never markup."""
    _print(console, document.title, "bold")
    _print(console, document.lead)
    for section in document.sections:
        console.print()
        _print(console, section.heading, "bold")
        _print_section(section, console)
    console.print()
    _print(console, document.foot)


def _print_section(section: Section, console: Console) -> None:
    for paragraph in section.paragraphs:
        _print(console, paragraph)
    for point in section.points:
        _print(console, f"- {point}")
    _print_facts(section.facts, console)
    for entry in section.entries:
        _print(console, entry.title, "bold")
        _print_facts(entry.facts, console)
    for table in section.tables:
        _print(console, table.caption)
        console.print(_grid(table))


def _print_facts(facts: Iterable[Fact], console: Console) -> None:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    for _ in ("label", "says"):
        grid.add_column(overflow="fold")  # an id or an address may be longer than there is room for
    for fact in facts:
        grid.add_row(Text(fact.label), Text("\n".join(fact.says)))
    if grid.rows:
        console.print(grid)


def _grid(table: Table) -> Grid:
    grid = Grid(box=SIMPLE_HEAD, pad_edge=False)
    for name in table.head:
        grid.add_column(Text(name), overflow="fold")
    for row in table.rows:
        grid.add_row(*(_text(cell) for cell in row))
    return grid


def _text(cell: Cell) -> Text:
    return Text("\n".join("".join(said.text for said in line) for line in cell))


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style))
