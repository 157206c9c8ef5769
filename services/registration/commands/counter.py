"""What commands do: list events, hand lists over, say facts again. Each step a transaction."""

from __future__ import annotations

import csv
import io
import os
import sys
import tempfile
from collections import Counter as Tally
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from services.registration import store
from services.registration.handlers.desk import SERVICE, Desk
from services.registration.handlers.handover import (
    Asked,
    NothingToDiscloseError,
    conclude,
    disclose,
    list_parts,
    rows,
)
from services.registration.handlers.republish import republish_events, republish_registrations
from services.registration.settings import Settings
from shared.assembly import open_parts
from shared.messaging.unit_of_work import Transaction, unit_of_work
from shared.privacy.disclosure import Disclosure
from shared.runtime.actor import actor
from shared.runtime.clock import utc_now
from shared.runtime.database import Pool
from shared.runtime.ids import new_id

STANDARD_OUTPUT: Final = Path("-")


@dataclass(frozen=True, slots=True)
class Counter:
    """Where commands are served."""

    desk: Desk
    pool: Pool

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Counter]:
        async with open_parts(settings, service=SERVICE) as parts:
            yield cls(Desk(parts.privacy), parts.pool)

    def work(self) -> AbstractAsyncContextManager[Transaction]:
        plan = self.desk.privacy.in_force
        return unit_of_work(self.pool, service=SERVICE, now=utc_now(), ids=new_id, plan=plan)

    def work_on(self) -> AbstractAsyncContextManager[Transaction]:
        """What belongs to work that was done: under the plan of that, whatever is in force now."""
        return unit_of_work(self.pool, service=SERVICE, now=utc_now(), ids=new_id)


async def list_events(counter: Counter, *, as_json: bool) -> str:
    """Every event with its counts: as JSON lines, or as a table for people."""
    async with counter.pool.acquire() as connection:
        known = [row.event for row in await store.all_events(connection)]
    facts: list[dict[str, object]] = [
        {
            "number": event.offer.event_number,
            "id": str(event.id),
            "status": event.status,
            "ends_at": event.offer.ends_at.isoformat(),
            "capacity": event.offer.capacity,
            "registered": event.places_taken,
            "waitlisted": event.waitlisted,
            "recipients": list(event.offer.recipients),
        }
        for event in known
    ]
    if as_json:
        return "\n".join(orjson.dumps(fact).decode() for fact in facts)
    return _table(facts)


def _table(facts: Sequence[dict[str, object]]) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table("number", "id", "status", "ends", "places", "taken", "waiting", "recipients")
    for fact in facts:
        named = fact["recipients"]
        table.add_row(
            str(fact["number"]),
            str(fact["id"]),
            str(fact["status"]),
            str(fact["ends_at"])[:16],
            "no limit" if fact["capacity"] is None else str(fact["capacity"]),
            str(fact["registered"]),
            str(fact["waitlisted"]),
            ", ".join(named) if isinstance(named, list) else "",
        )
    console = Console(width=None if sys.stdout.isatty() else 160)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()


async def hand_over(
    counter: Counter, event_name: str, recipient: str, output: Path | None, *, as_json: bool
) -> str:
    """Disclose, commit, write, and record what came of it; the summary.

    Raises `NothingToDiscloseError`; OSError where the list could not be written, which is recorded.
    """
    asked = await _asked(counter, event_name, recipient)
    async with counter.work() as tx:
        wanted = list_parts(counter.desk, asked)
        disclosures = await disclose(counter.desk, tx, asked, wanted)
    if not any(disclosure.released for disclosure in disclosures):
        return _summary(asked, disclosures, None, as_json=as_json)
    path = output or Path(f"{recipient}-{asked.event.id}.csv")
    failure: str | None = "not-written"
    try:
        _write(path, rows(counter.desk, asked, disclosures))
        failure = None
    finally:
        async with counter.work_on() as tx:
            await conclude(counter.desk, tx, disclosures, failure)
    return _summary(asked, disclosures, path, as_json=as_json)


async def _asked(counter: Counter, event_name: str, recipient: str) -> Asked:
    async with counter.pool.acquire() as connection:
        found = await store.events_named(connection, event_name)
    if not found:
        raise NothingToDiscloseError(
            "No event has this number or id; `steward registration events` lists them."
        )
    return Asked(found[0].event, recipient, actor())


def _write(path: Path, table: Sequence[Sequence[str]]) -> None:
    """Write the list: whole or not at all, and readable by its owner only."""
    text = io.StringIO()
    csv.writer(text).writerows(table)
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text.getvalue())
        sys.stdout.flush()
        return
    # mkstemp makes a file of mode 0600, in the folder where it is renamed.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".steward-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _summary(
    asked: Asked, disclosures: Sequence[Disclosure], path: Path | None, *, as_json: bool
) -> str:
    parts = [
        {
            "disclosure": str(disclosure.id),
            "recipient": disclosure.recipient,
            "purpose": disclosure.purpose,
            "people": len(disclosure.released),
            "refused": dict(sorted(Tally(reason for _, reason in disclosure.refused).items())),
        }
        for disclosure in disclosures
    ]
    if as_json:
        whole = {
            "event": str(asked.event.id),
            "output": None if path is None else str(path),
            "disclosures": parts,
        }
        return orjson.dumps(whole).decode()
    lines = []
    for part in parts:
        lines.append(f"{part['purpose']}: {part['people']} people, disclosure {part['disclosure']}")
        refused = part["refused"]
        if isinstance(refused, dict):
            lines += [f"  refused, {reason}: {count}" for reason, count in refused.items()]
    if path is None:
        lines.append("Nobody is left on the list: nothing was written.")
    elif path != STANDARD_OUTPUT:
        lines.append(f"The list for {asked.recipient} is in {path}.")
    return "\n".join(lines)


async def republish_all(counter: Counter) -> int:
    """Say every event and every registration again, a transaction at a time; how many facts."""
    async with counter.work() as tx:
        said = await republish_events(tx)
    after = None
    while True:
        async with counter.work() as tx:
            part, after = await republish_registrations(tx, after)
        said += part
        if after is None:
            return said
