"""`steward registration show`: what a person gave for an event, recorded before it is shown."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping

import orjson
import typer
from pydantic import JsonValue

from services.registration import store
from services.registration.commands.counter import Counter
from services.registration.handlers.reading import read_answers, readable
from services.registration.settings import Settings
from shared.privacy.asking import asked_for
from shared.privacy.errors import AliasError
from shared.runtime.actor import actor


def run_show(event: str, person: str, purpose: str, *, as_json: bool) -> int:
    """Print it; the exit code."""
    try:
        email = asked_for(person, sys.stdin)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="EMAIL") from None
    answers = asyncio.run(_read(event, email, purpose))
    if answers is None:
        typer.echo("nobody of this address has registered for the event", err=True)
        return 1
    typer.echo(orjson.dumps(answers).decode() if as_json else _lines(answers))
    return 0


async def _read(event_name: str, email: str, purpose: str) -> Mapping[str, JsonValue] | None:
    async with Counter.open(Settings.load()) as counter, counter.work() as tx:
        purposes = readable(counter.desk)
        if purpose not in purposes:
            raise typer.BadParameter(
                f"people read data here for: {', '.join(purposes)}", param_hint="PURPOSE"
            )
        events = await store.events_named(tx.connection, event_name)
        if not events:
            raise typer.BadParameter(
                "no event has this number or id; `steward registration events` lists them",
                param_hint="EVENT",
            )
        try:
            return await read_answers(counter.desk, tx, events[0].event, email, purpose, actor())
        except AliasError:
            raise typer.BadParameter("this is no e-mail address", param_hint="EMAIL") from None


def _lines(answers: Mapping[str, JsonValue]) -> str:
    if not answers:
        return "nothing of it may be read for this purpose, or nothing is left of it"
    width = max(map(len, answers)) + 2
    return "\n".join(f"{name:{width}}{_shown(value)}" for name, value in answers.items())


def _shown(value: JsonValue) -> str:
    """A value on a terminal: what somebody typed into a form does not steer it (CWE-150)."""
    text = "" if value is None else str(value)
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
