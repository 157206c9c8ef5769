"""What `steward audit replay --dry-run` prints: how much there is, and from where to where."""

from __future__ import annotations

import sys

import orjson
import typer

from services.audit.domain.entries import StoredEntry, reading
from services.audit.handlers.read import entry_of
from services.audit.store.search import Survey
from shared.runtime.database import Pool


async def tell_survey(pool: Pool, counted: Survey, *, as_json: bool) -> None:
    """Print the counts, and number and time of the first and the last entry."""
    ends = {
        name: await entry_of(pool, sequence)
        for name, sequence in (("first", counted.first), ("last", counted.last))
        if sequence is not None
    }
    if as_json:
        told = {name: {"sequence": one.sequence, "at": _at(one)} for name, one in ends.items()}
        document = {"matching": counted.total, "by_type": counted.by_type, **told}
        sys.stdout.buffer.write(orjson.dumps(document) + b"\n")
        return
    typer.echo(f"{counted.total:,} entries match")
    for name, many in counted.by_type.items():
        typer.echo(f"  {name:<24}{many:>13,}")
    for name, one in ends.items():
        typer.echo(f"{name}: entry {one.sequence}, {_at(one)}")


def _at(entry: StoredEntry) -> str:
    with reading(entry):
        return entry.at
