"""`steward audit about`: what the log says of one person (GDPR, article 15(1)(c))."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import orjson
import typer
from rich.console import Console

from services.audit.commands.about_document import WORDS, Answer, about_document
from services.audit.commands.naming import Naming, Party
from services.audit.commands.spans import begin
from services.audit.domain.history import Access, Disclosure
from services.audit.handlers.browse import find_subjects
from services.audit.handlers.plans import plans_before
from services.audit.handlers.read import history_of, readings_told_since
from services.audit.settings import Settings
from shared.assembly import open_parts
from shared.contract.types import SubjectId
from shared.documents.document import rendered
from shared.documents.terminal import print_document
from shared.documents.words import Words
from shared.privacy.asking import who_is_named
from shared.privacy.errors import AliasError, SeveralPeopleError
from shared.privacy.privacy import Privacy
from shared.runtime.clock import utc_now
from shared.runtime.database import Connection

NOTHING = "nothing is recorded"
"""Said of whoever has nothing to be told: known or not, it is the same answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for. `since` as it was written; `written_as`: text, json, html."""

    person: str
    since: str | None
    language: str
    written_as: str


def run_about(request: Request) -> int:
    """Print one person's history; the exit code."""
    named = who_is_named(request.person, "EMAIL|-|SUBJECT")
    answer = asyncio.run(_answer(request, named))
    if answer is None:
        typer.echo(NOTHING, err=True)
        return 1
    if request.written_as == "json":
        sys.stdout.buffer.write(orjson.dumps(as_data(answer), default=str) + b"\n")
    elif request.written_as == "html":
        typer.echo(rendered(about_document(answer), "html"), nl=False)
    else:
        print_document(about_document(answer), Console(highlight=False))
    return 0


async def _answer(request: Request, named: str) -> Answer | None:
    async with open_parts(Settings.load(), service="audit") as parts:
        today = parts.privacy.plan
        since = (
            None
            if request.since is None
            else begin(request.since, ZoneInfo(today.organisation.time_zone))
        )
        async with parts.pool.acquire() as connection:
            subject_ids = await _subjects(connection, parts.privacy, named)
            if not subject_ids:
                return None
            now = utc_now()
            found = await history_of(
                connection, subject_ids, readings_since=readings_told_since(today, now)
            )
            history = found if found is None or since is None else found.since(since)
            if history is None or history.tells_nothing:
                return None
            plans = await plans_before(connection, today, cited=history.plan_digests)
    return Answer(history, Naming(plans, Words(request.language, WORDS)), now, since)


async def _subjects(connection: Connection, privacy: Privacy, named: str) -> Sequence[SubjectId]:
    try:
        return await find_subjects(connection, privacy, named)
    except AliasError:
        raise typer.BadParameter(
            "this is neither an e-mail address nor the id of a data subject"
        ) from None
    except SeveralPeopleError as error:
        raise typer.BadParameter(str(error)) from None


def as_data(answer: Answer) -> Mapping[str, object]:
    """The same for programs: names as the log has them, and as people are told them."""
    history, naming = answer.history, answer.naming
    return {
        "subject_id": history.subject_id,
        "same_person": history.same_person,
        "language": naming.words.language,
        "written_at": answer.written_at,
        "since": answer.since,
        "disclosures": [_disclosure(one, naming) for one in history.disclosures],
        "accesses": [_access(one, naming) for one in history.accesses],
    }


def _disclosure(one: Disclosure, naming: Naming) -> Mapping[str, object]:
    party = naming.party(one.recipient, one.plan_digest)
    return {
        "sequence": one.sequence,
        "at": one.at,
        "kind": one.kind,
        "disclosure_id": one.disclosure_id,
        "recipient": one.recipient,
        **_who(party),
        "purpose": one.purpose,
        "purpose_description": naming.purpose(one.purpose, one.plan_digest).text,
        "legal_basis": one.legal_basis,
        "legal_basis_description": naming.basis(one.legal_basis, one.purpose, one.plan_digest),
        "fields": one.fields,
        "event_id": one.event_id,
        "outcome": one.outcome,
        "outcome_at": one.outcome_at,
        "reason": one.reason,
        "plan_digest": one.plan_digest,
    }


def _who(party: Party) -> Mapping[str, object]:
    return {
        "recipient_name": party.name.text,
        "recipient_role": party.role,
        "recipient_abroad": party.abroad,
    }


def _access(one: Access, naming: Naming) -> Mapping[str, object]:
    return {
        "sequence": one.sequence,
        "at": one.at,
        "purpose": one.purpose,
        "purpose_description": naming.purpose(one.purpose, one.plan_digest).text,
        "fields": one.fields,
        "by": one.by,
        "plan_digest": one.plan_digest,
    }
