"""A document for people, and how it is written: as Markdown or as a page of HTML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from jinja2 import Environment

Format = Literal["md", "html"]


@dataclass(frozen=True, slots=True)
class Fact:
    """What something is called, and what is said of it; several things make a list."""

    label: str
    says: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of many that are told of alike."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """Text within a line, with its language where that is another than the document's."""

    text: str
    language: str | None = None


Line = tuple[Said, ...]
Cell = tuple[Line, ...]
"""Lines below each other."""


def cell(*lines: str | Said | Line | None) -> Cell:
    """A cell of these lines; None makes none."""
    return tuple(_line(line) for line in lines if line is not None)


def _line(line: str | Said | Line) -> Line:
    if isinstance(line, tuple):
        return line
    return (line if isinstance(line, Said) else Said(line),)


@dataclass(frozen=True, slots=True)
class Table:
    """Things of which many are told alike and shortly: a row for each, as wide as the head."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and below it whatever there is of each of these, in this order."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    entries: tuple[Entry, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """Plain text throughout: how it is marked up is decided where it is written."""

    language: str
    title: str
    lead: str
    sections: tuple[Section, ...]
    foot: str


def fact(label: str, *says: str | None) -> tuple[Fact, ...]:
    """A fact, or nothing where nothing is said."""
    said = tuple(one for one in says if one)
    return (Fact(label, said),) if said else ()


def rendered(document: Document, written_as: Format) -> str:
    """The whole text. In HTML, whatever the plan says is text and never markup."""
    template = _environment().get_template(f"document.{written_as}.j2")
    return template.render(document=document).rstrip("\n") + "\n"


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        # Markdown escapes by itself, with the filter `plain`.
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = _plain
    return environment


_MARKUP = re.compile(r"([\\`*_<>\[\]|])")
_BLOCK = re.compile(r"^([0-9]*)([#+.)-])(?=[ #]|$)")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _BLOCK.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", " ".join(text.split())))
