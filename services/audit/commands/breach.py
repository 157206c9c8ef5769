"""`steward audit breach`: a recipient lost data; who is affected, and whom to notify until when."""

from __future__ import annotations

import asyncio
import difflib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import orjson
import typer
from rich.console import Console

from services.audit.commands.breach_document import Breach, breach_document
from services.audit.commands.spans import begin, end
from services.audit.domain.breach import (
    Alike,
    Consequences,
    Kind,
    clock,
    consequences,
    duty_of,
)
from services.audit.handlers.plans import Plans, plans_before
from services.audit.settings import Settings
from services.audit.store.losses import has_recipient, lost_by
from shared.documents.document import rendered
from shared.documents.terminal import print_document
from shared.privacy.in_force import InForce
from shared.privacy.plan import Plan
from shared.runtime.clock import utc_now
from shared.runtime.database import Connection, open_pool

NOBODY = 1
"""The exit code where nobody is affected."""
_IDS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for, moments as written. `written_as`: text, json, html."""

    recipient: str
    since: str
    until: str
    known_at: str | None
    written_as: str


@dataclass(frozen=True, slots=True)
class _Asked:
    recipient: str
    since: datetime
    until: datetime
    known_at: datetime
    now: datetime


def run_breach(request: Request) -> int:
    """Print what follows; the exit code."""
    breach = asyncio.run(_look_up(Settings.load(), request, utc_now()))
    if request.written_as == "json":
        for part in as_json(breach):
            sys.stdout.buffer.write(part)
    elif request.written_as == "html":
        typer.echo(rendered(breach_document(breach), "html"), nl=False)
    else:
        print_document(breach_document(breach), Console(highlight=False))
    return 0 if breach.lost.people else NOBODY


def _read(request: Request, plan: Plan, now: datetime) -> _Asked:
    zone = ZoneInfo(plan.organisation.time_zone)
    since = begin(request.since, zone)
    until = end(request.until, zone)
    if since >= until:
        raise typer.BadParameter(
            "this span has no moment in it: --since has to be before --until",
            param_hint="--since/--until",
        )
    known_at = now if request.known_at is None else begin(request.known_at, zone, "--known-at")
    if known_at > now:
        raise typer.BadParameter("nobody can know of it later than now", param_hint="--known-at")
    return _Asked(request.recipient, since, until, known_at, now)


async def _look_up(settings: Settings, request: Request, now: datetime) -> Breach:
    # Of a large recipient it is one statement of some seconds, longer than a service may take.
    patient = settings.model_copy(update={"session_timeout_ms": 300_000})
    pool = await open_pool(patient, service="audit", max_size=1)
    try:
        async with pool.acquire() as connection:
            async with connection.transaction():
                today = (await InForce.open(connection)).plan
            asked = _read(request, today, now)
            plans = await plans_before(connection, today)
            await _refuse_unknown(connection, asked.recipient, plans)
            lost = await lost_by(connection, asked.recipient, asked.since, asked.until)
    finally:
        await pool.close()
    kinds = {one.name: kind_of(one.name, plans) for one in lost.categories}
    duty = duty_of(_role(asked.recipient, plans))
    found = consequences(lost, kinds, duty, clock(asked.known_at, asked.now))
    return Breach(asked.recipient, asked.since, asked.until, lost, found, plans)


async def _refuse_unknown(connection: Connection, recipient: str, plans: Plans) -> None:
    """Also known is what stands in the log alone: else nobody could ask what it lost."""
    known = plans.parties
    if recipient in known or await has_recipient(connection, recipient):
        return
    near = difflib.get_close_matches(recipient, known, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise typer.BadParameter(
        f"neither plan nor log has this recipient; {meant}There are: {', '.join(known)}",
        param_hint="--recipient",
    )


def kind_of(category: str, plans: Plans) -> Kind:
    """Whether a category is special (article 9): it is where any plan says or said so."""
    if plans.newest_with(lambda plan: category in plan.categories) is None:
        return "unknown"
    said = plans.newest_with(lambda plan: category in plan.categories and plan.special(category))
    return "ordinary" if said is None else "special"


def _role(recipient: str, plans: Plans) -> str | None:
    plan = plans.newest_with(lambda plan: recipient in {*plan.recipients, *plan.authorities})
    if plan is None:
        return None
    return "authority" if recipient in plan.authorities else plan.recipients[recipient].role


def as_json(breach: Breach) -> Iterator[bytes]:
    """One JSON object, in parts: there may be a million people."""
    yield orjson.dumps(_as_data(breach))[:-1] + b',"affected":['
    for place, alike in enumerate(breach.lost.alike):
        yield b"," if place else b""
        yield from _affected(alike)
    yield b"]}\n"


def _affected(alike: Alike) -> Iterator[bytes]:
    head = {"categories": alike.categories, "people": alike.people}
    yield orjson.dumps(head)[:-1] + b',"subject_ids":['
    ids: list[bytes] = []
    for place, subject_id in enumerate(alike.subject_ids()):
        ids.append(b'%b"%b"' % (b"," if place else b"", str(subject_id).encode()))
        if len(ids) == _IDS_AT_ONCE:
            yield b"".join(ids)
            ids.clear()
    yield b"".join(ids) + b"]}"


def _as_data(breach: Breach) -> Mapping[str, object]:
    lost = breach.lost
    return {
        "recipient": breach.recipient,
        "since": breach.since,
        "until": breach.until,
        "people": lost.people,
        "records": lost.records,
        "disclosures": lost.disclosures,
        "unconfirmed": lost.unconfirmed,
        "undelivered": lost.undelivered,
        "first_at": lost.first_at,
        "last_at": lost.last_at,
        "categories": [
            {
                "category": one.name,
                "kind": kind_of(one.name, breach.plans),
                "people": one.people,
                "records": one.records,
            }
            for one in lost.categories
        ],
        "notify": _notify(breach.consequences, breach.plans.today),
        "plan_digest": breach.plans.today.digest,
    }


def _notify(found: Consequences, plan: Plan) -> Mapping[str, object]:
    authority = plan.organisation.supervisory_authority
    running = found.clock
    return {
        "duty": found.duty,
        "authority": None if authority is None else authority.name,
        "known_at": running.known_at,
        "deadline": running.deadline,
        "hours_left": round(running.left.total_seconds() / 3600, 2),
        "reasons_for_delay": running.is_over,
        "people": found.telling,
        "because_of": found.special,
        "controllers": [one.controller.name for one in plan.on_behalf.values()],
    }
