"""A replay as a table, wherever it is read."""

from __future__ import annotations

from io import StringIO
from uuid import uuid4

import pytest
from rich.console import Console

from services.audit.commands.sinks import TableSink
from services.audit.domain.entries import StoredEntry, entry_bytes
from shared.contract.audit import DataDisclosed
from tests.support.entries import make_entry
from tests.support.facts import Facts


@pytest.mark.parametrize("width", [40, 80, 500])
async def test_nothing_of_an_entry_is_cut_off_on_any_width(width: int) -> None:
    """In a pipe, or the mail of a timer, nobody knows the width: 80 are taken for it."""
    named = {
        "recipient": "the-recipient-of-quite-a-long-name",
        "purpose": "a-purpose-of-a-long-name",
    }
    entry = make_entry(DataDisclosed, subject_id=uuid4(), **named)
    stored = StoredEntry(1_234_567_890, entry_bytes(Facts().message(entry)))
    printed = StringIO()
    await TableSink(Console(file=printed, width=width)).write([stored, stored])
    head, *rows = printed.getvalue().splitlines()
    assert head.split() == ["#", "at", "(UTC)", "type", "recipient", "purpose", "subject"]
    at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
    told = ("1234567890", *at.split(), "DataDisclosed", *named.values(), str(entry.subject_id))
    assert [tuple(row.split()) for row in rows] == [told] * 2
