"""From the words of a command line to a filter of the log: days, people, names that are known."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from services.audit.commands.spans import span
from services.audit.domain.entries import ENTRY_TYPES, EntryFilter
from services.audit.handlers.browse import find_by_email, find_subjects
from services.audit.handlers.read import readings_told_since, survey
from services.audit.settings import Settings
from shared.assembly import open_parts
from shared.privacy import stored_plans
from shared.privacy.asking import email_named
from shared.privacy.errors import SeveralPeopleError
from shared.privacy.in_force import InForce
from shared.privacy.plan import Plan
from shared.runtime.clock import utc_now
from shared.runtime.database import Pool


@dataclass(frozen=True, slots=True)
class Asked:
    """Filters as they were written. `email` is an address, or - for one on standard input."""

    since: str | None = None
    until: str | None = None
    subject: UUID | None = None
    email: str | None = None
    recipient: str | None = None
    purpose: str | None = None
    event: UUID | None = None
    category: str | None = None
    type: str | None = None
    actor: str | None = None

    @property
    def of_one_person(self) -> bool:
        """Whether the question is about somebody: then "nothing" has to be one answer."""
        return self.subject is not None or self.email is not None


def written_well(asked: Asked) -> Asked:
    """The same, its address read from standard input where it is to be. What was written wrongly is
    refused here, before anything is opened.
    """
    _span(asked, UTC)
    if asked.email is None:
        return asked
    if asked.subject is not None:
        raise typer.BadParameter("name a person by one of both", param_hint="--subject/--email")
    return replace(asked, email=email_named(asked.email, "--email"))


async def filter_of(asked: Asked, pool: Pool, settings: Settings) -> EntryFilter:
    """What is meant, by the plan in force. typer.BadParameter where a value cannot be meant."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        plan = (await InForce.open(connection)).plan
        ever = await stored_plans.names(connection)
    named = _span(asked, ZoneInfo(plan.organisation.time_zone))
    for kind, known in _known(plan, ever).items():
        value = getattr(asked, kind)
        if value is None or value in known:
            continue
        # Counted, since for the first of perhaps none all of the log might be read.
        if not (await survey(pool, EntryFilter(**{kind: value}))).total:
            raise typer.BadParameter(_unknown(kind, value, known), param_hint=f"--{kind}")
    told = readings_told_since(plan, utc_now()) if asked.of_one_person else None
    return replace(named, subject_ids=await _subjects(asked, settings), readings_since=told)


def _span(asked: Asked, zone: tzinfo) -> EntryFilter:
    since, until = span(asked.since, asked.until, zone)
    return EntryFilter(
        since=since,
        until=until,
        recipient=asked.recipient,
        purpose=asked.purpose,
        event_id=asked.event,
        category=asked.category,
        type=asked.type,
        actor=asked.actor,
    )


def _known(plan: Plan, ever: Collection[tuple[str, str]]) -> Mapping[str, Collection[str]]:
    def names(kind: str) -> set[str]:
        return {name for of, name in ever if of == kind}

    return {
        "recipient": plan.recipients.keys() | names("recipient"),
        "purpose": plan.purposes.keys() | names("purpose"),
        "category": plan.categories.keys(),
        "type": {model.__name__ for model in ENTRY_TYPES},
    }


def _unknown(kind: str, value: str, known: Collection[str]) -> str:
    """The value itself is not repeated: it may be anything, an address too."""
    (near,) = difflib.get_close_matches(value, known, n=1, cutoff=0)
    return f"neither a plan nor the log has this {kind}; the nearest is {near}"


async def _subjects(asked: Asked, settings: Settings) -> tuple[UUID, ...] | None:
    """Every subject that is meant; nobody's, where nothing leads from the address to anybody."""
    if not asked.of_one_person:
        return None
    async with open_parts(settings, service="audit") as parts, parts.pool.acquire() as connection:
        if asked.email is None:
            return tuple(await find_subjects(connection, parts.privacy, str(asked.subject)))
        try:
            return await find_by_email(connection, parts.privacy, asked.email)
        except SeveralPeopleError as error:
            raise typer.BadParameter(str(error), param_hint="--subject") from None
