"""Where the entries of a replay go: lines for programs, or a table for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from rich.console import Console
from rich.table import Table

from services.audit.domain.entries import ENTRY_TYPES, StoredEntry, data_in, reading

WIDEST: Final = 400
"""A table takes what it needs of it."""


class Sink(Protocol):
    """Where entries go."""

    async def write(self, entries: Sequence[StoredEntry]) -> None:
        """Hand these on; done when it returns."""
        ...


class LinesSink:
    """One JSON object per line: the number in the log, and the entry as it is stored."""

    async def write(self, entries: Sequence[StoredEntry]) -> None:
        """Print and flush."""
        _print(b'{"sequence":%d,"entry":%b}\n' % (one.sequence, one.body) for one in entries)


class CloudEventsSink:
    """One CloudEvent per line (JSON format, structured mode): the bytes that the entry is."""

    async def write(self, entries: Sequence[StoredEntry]) -> None:
        """Print and flush."""
        _print(b"%b\n" % one.body for one in entries)


def _print(lines: Iterable[bytes]) -> None:
    # Not in a thread: whoever reads slowly holds up nothing but this command, and what was handed
    # on is known when it is interrupted.
    sys.stdout.buffer.writelines(lines)
    sys.stdout.buffer.flush()


class TableSink:
    """Rows for people; the head of the table once."""

    _columns = (
        ("#", 9),
        ("at (UTC)", 20),
        ("type", max(len(model.__name__) for model in ENTRY_TYPES)),
        ("recipient", 14),
        ("purpose", 17),
    )

    def __init__(self, console: Console) -> None:
        # For any row: a terminal wraps it, and in a pipe nobody knows how wide it may be.
        console.width = max(console.width, WIDEST)
        self._console = console
        self._head = True

    async def write(self, entries: Sequence[StoredEntry]) -> None:
        """Print a part of the table."""
        table = Table(box=None, show_header=self._head, pad_edge=False)
        for name, width in self._columns:
            table.add_column(name, min_width=width, no_wrap=True)
        table.add_column("subject", min_width=36, no_wrap=True)
        for entry in entries:
            table.add_row(str(entry.sequence), *_cells(entry))
        self._console.print(table)
        self._head = False


def _cells(entry: StoredEntry) -> list[str]:
    with reading(entry):
        event = entry.event
        data = data_in(event)
        named = [str(data.get(name) or "") for name in ("recipient", "purpose", "subject_id")]
        return [str(data.get("at", ""))[:19].replace("T", " "), str(event["type"]), *named]
