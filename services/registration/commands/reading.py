"""`steward registration show`: what a person gave for an event, recorded before it is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import orjson
import typer
from pydantic import JsonValue

from services.registration import store
from services.registration.commands.counter import Counter
from services.registration.handlers.meant import person_meant
from services.registration.handlers.reading import read_answers, readable
from services.registration.settings import Settings
from shared.privacy.asking import email_named
from shared.privacy.errors import SeveralPeopleError
from shared.runtime.actor import actor


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose answers for which event, and what for; `subject` is one of several at the address."""

    event: str
    email: str
    purpose: str
    subject: UUID | None


def run_show(wanted: Wanted, *, as_json: bool) -> int:
    """Print it; the exit code. The address is - for one on standard input."""
    email = email_named(wanted.email, "EMAIL")
    answers = asyncio.run(_read(replace(wanted, email=email)))
    if answers is None:
        typer.echo("nobody of this address has registered for the event", err=True)
        return 1
    typer.echo(orjson.dumps(answers).decode() if as_json else _lines(answers))
    return 0


async def _read(wanted: Wanted) -> Mapping[str, JsonValue] | None:
    async with Counter.open(Settings.load()) as counter, counter.work() as tx:
        desk, purposes = counter.desk, readable(counter.desk)
        if wanted.purpose not in purposes:
            raise typer.BadParameter(
                f"people read data here for: {', '.join(purposes)}", param_hint="PURPOSE"
            )
        events = await store.events_named(tx.connection, wanted.event)
        if not events:
            raise typer.BadParameter(
                "no event has this number or id; `steward registration events` lists them",
                param_hint="EVENT",
            )
        try:
            person = await person_meant(desk, tx.connection, wanted.email, wanted.subject)
        except SeveralPeopleError as error:
            raise typer.BadParameter(str(error), param_hint="--subject") from None
        if person is None:
            return None
        return await read_answers(desk, tx, events[0].event, person, wanted.purpose, actor())


def _lines(answers: Mapping[str, JsonValue]) -> str:
    if not answers:
        return "nothing of it may be read for this purpose, or nothing is left of it"
    width = max(map(len, answers)) + 2
    return "\n".join(f"{name:{width}}{_shown(value)}" for name, value in answers.items())


def _shown(value: JsonValue) -> str:
    """A value on a terminal: what somebody typed into a form does not steer it (CWE-150)."""
    text = "" if value is None else str(value)
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
