"""`steward audit about`: what the log says of one person (GDPR, article 15(1)(c))."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from services.audit.domain.history import Access, Disclosure, History
from services.audit.handlers.read import history_of
from services.audit.settings import Settings
from shared.assembly import Parts, open_parts
from shared.contract.types import SubjectId
from shared.privacy.asking import asked_for
from shared.privacy.errors import AliasError
from shared.privacy.plan import Plan
from shared.privacy.subjects import Alias

NOTHING = "nothing is recorded"
"""Said of whoever has no entry: known or not, it is the same answer."""


def run_about(person: str, *, as_json: bool) -> int:
    """Print one person's history; the exit code."""
    try:
        named = asked_for(person, sys.stdin)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    found = asyncio.run(_look_up(named))
    if found is None:
        typer.echo(NOTHING, err=True)
        return 1
    history, plan = found
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(_document(history, plan), default=str) + b"\n")
    else:
        _print(history, plan)
    return 0


async def _look_up(named: str) -> tuple[History, Plan] | None:
    async with open_parts(Settings.load(), service="audit") as parts:
        subject_ids = await _subjects(parts, named)
        if not subject_ids:
            return None
        async with parts.pool.acquire() as connection:
            history = await history_of(connection, subject_ids)
        return None if history is None else (history, parts.privacy.plan)


async def _subjects(parts: Parts, named: str) -> Sequence[SubjectId]:
    """The person's, also after an erasure, with those that proved to be the same person's."""
    async with parts.pool.acquire() as connection:
        try:
            return await parts.privacy.same_people(connection, SubjectId(UUID(named)))
        except ValueError:
            pass
        try:
            return await parts.privacy.find_history(connection, Alias("email", named))
        except AliasError:
            raise typer.BadParameter(
                "this is neither an e-mail address nor the id of a data subject"
            ) from None


def _document(history: History, plan: Plan) -> Mapping[str, object]:
    return {
        "subject_id": history.subject_id,
        "same_person": history.same_person,
        "disclosures": [_disclosure(one, plan) for one in history.disclosures],
        "accesses": [_access(one, plan) for one in history.accesses],
    }


def _disclosure(one: Disclosure, plan: Plan) -> Mapping[str, object]:
    return {
        "sequence": one.sequence,
        "at": one.at,
        "kind": one.kind,
        "disclosure_id": one.disclosure_id,
        "recipient": one.recipient,
        "recipient_name": _recipient(one.recipient, plan),
        "purpose": one.purpose,
        "purpose_description": _purpose(one.purpose, plan),
        "legal_basis": one.legal_basis,
        "fields": one.fields,
        "event_id": one.event_id,
        "actor": one.actor,
        "outcome": one.outcome,
        "outcome_at": one.outcome_at,
        "reason": one.reason,
    }


def _access(one: Access, plan: Plan) -> Mapping[str, object]:
    return {
        "sequence": one.sequence,
        "at": one.at,
        "purpose": one.purpose,
        "purpose_description": _purpose(one.purpose, plan),
        "fields": one.fields,
        "by": one.by,
    }


def _print(history: History, plan: Plan) -> None:
    console = Console()
    zone = ZoneInfo(plan.organisation.time_zone)
    for subject_id in (history.subject_id, *history.same_person):
        console.print(f"Data subject {subject_id}", highlight=False)
    if history.disclosures:
        console.print(_disclosures(history, plan, zone))
    if history.accesses:
        console.print(_accesses(history, plan, zone))


def _disclosures(history: History, plan: Plan, zone: ZoneInfo) -> Table:
    table = _table("What was handed to others", "to whom", "why")
    for one in history.disclosures:
        outcome = one.outcome if one.reason is None else f"{one.outcome}: {one.reason}"
        at = "" if one.outcome_at is None else f"\n{_when(one.outcome_at, zone)}"
        basis = one.legal_basis.replace("_", " ").replace("-", " ")
        table.add_row(
            str(one.sequence),
            f"{_when(one.at, zone)}\n{outcome}{at}",
            _recipient(one.recipient, plan),
            f"{_purpose(one.purpose, plan)} ({basis})",
            "\n".join(one.fields),
        )
    return table


def _accesses(history: History, plan: Plan, zone: ZoneInfo) -> Table:
    table = _table("When it was read", "by", "why")
    for one in history.accesses:
        why = _purpose(one.purpose, plan)
        table.add_row(str(one.sequence), _when(one.at, zone), one.by, why, "\n".join(one.fields))
    return table


def _table(title: str, *columns: str) -> Table:
    """Fits a terminal of 80 columns; times and names of fields are never cut."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("#")
    table.add_column("when", no_wrap=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    table.add_column("what", no_wrap=True)
    return table


def _recipient(name: str, plan: Plan) -> str:
    """Who it is (CJEU C-154/21: the actual identity), as the plan of today names it."""
    recipient = plan.recipients.get(name)
    return name if recipient is None else recipient.name


def _purpose(name: str, plan: Plan) -> str:
    purpose = plan.purposes.get(name)
    if purpose is None:
        return name
    return purpose.describes.get("en") or next(iter(purpose.describes.values()))


def _when(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
