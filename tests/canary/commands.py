"""Commands as operators and staff call them, well and badly, and what they print."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from examples.offers import SEMINAR
from tests.canary.day import FOLLOWED
from tests.canary.marks import NOBODY, Marks
from tests.canary.places import LISTS, OUTPUTS
from tests.canary.stack import Stack
from tests.canary.survey import May, Survey, anyones, nowhere

_AT_ONCE: Final = 2
_MOST_SHOWN: Final = 500
_SEMINAR: Final = ("registration", "disclose", SEMINAR.number)
"""The event that the followed person registers for, and that hands out most."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command line, and what its standard input says. `discloses`: it is a permitted door."""

    arguments: tuple[str, ...]
    given: str | None = None
    discloses: bool = False


async def search_commands(stack: Stack, marks: Marks, survey: Survey, *, few: bool) -> None:
    """Run commands and search what each prints. `few`: those that touch personal data most."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def run(call: Call) -> None:
        async with gate:
            said = await stack.steward(*call.arguments, given=call.given)
        survey.look(
            LISTS if call.discloses else OUTPUTS,
            f"steward {_shown(call, marks)}",
            [said.out, b"\n", said.complaint],
            anyones if call.discloses else nowhere,
        )

    listed = await stack.steward("dead-letters", "list", "--json")
    survey.look(OUTPUTS, "steward dead-letters list --json", [listed.out, listed.complaint])
    letters = [str(orjson.loads(line)["id"]) for line in listed.out.splitlines()]
    calls = [*_usual(marks)]
    if not few:
        show = Call(("dead-letters", "show", *letters[:_MOST_SHOWN]))
        calls += [show, *_many(stack, marks), *await _lists(stack)]
    async with asyncio.TaskGroup() as tasks:
        for call in calls:
            tasks.create_task(run(call))
    await run(Call(("dead-letters", "redrive", "--all")))
    await stack.settle()


async def search_lists(stack: Stack, survey: Survey, may: May) -> None:
    """What recipients of the event that the followed person registered for get now."""
    line = (*_SEMINAR, "hotel", "--yes", "--output", "-")
    said = await stack.steward(*line)
    survey.look(LISTS, f"steward {' '.join(line)}", [said.out, said.complaint], may)


def _shown(call: Call, marks: Marks) -> str:
    """What may be said of a command line: no mark of it, and no long list of ids."""
    words = ["…" if marks.text in word else word for word in call.arguments]
    return " ".join(words[:6])


def _usual(marks: Marks) -> Iterator[Call]:
    mark = marks.of(NOBODY, "argument")
    broken = (f'{{"{mark}": "{mark}"', f'{{"type": "{mark}"}}', f'{{"kafka": {{"{mark}": 1}}}}')
    yield Call(("audit", "about", "-"), f"{marks.email_of(FOLLOWED)}\n")
    yield Call(("consent", "check", "-", "marketing"), f"{mark}@{mark}@-")
    yield Call(("send", "--strict", "-"), "\n".join(broken))
    yield Call((*_SEMINAR, "hotel", "--yes", "--output", "-"), discloses=True)


def _many(stack: Stack, marks: Marks) -> Iterator[Call]:
    mark = marks.of(NOBODY, "argument")
    caterer = stack.outside / "caterer.csv"
    yield Call((*_SEMINAR, "caterer", "--yes", "--output", str(caterer)))
    yield Call(("audit", "about", "-", "--json"), f"{marks.email_of(FOLLOWED)}\n")
    yield Call(("audit", "about", "-"), mark)
    yield Call(("consent", "check", "-", "marketing"), marks.email_of(FOLLOWED))
    yield Call(("send", "-"), f'{{"{mark}')
    yield Call(("status",))
    yield Call(("status", "--json"))
    yield Call(("dead-letters", "list"))
    yield Call(("positions", "list"))
    yield Call(("positions", "list", "--json"))
    yield Call(("registration", "events"))
    yield Call(("registration", "events", "--json"))
    yield Call(("audit", "replay", "--format", "table"))
    yield Call(("audit", "replay", "--format", "jsonl"))
    yield Call(("retention", "due", "--on", "2040-12-31"))
    yield Call(("retention", "due", "--on", "2040-12-31", "--json"))
    yield Call(("registration", "republish"))
    yield Call(("plan", "check"))
    for process in ("registration", "consent", "finance", "retention", "audit", "kafka"):
        yield Call(("logs", process, "--lines", "100000"))


async def _lists(stack: Stack) -> list[Call]:
    """Every list that some event's recipient may have."""
    said = await stack.steward("registration", "events", "--json")
    events = [orjson.loads(line) for line in said.out.splitlines()]
    return [
        Call(
            ("registration", "disclose", event["number"], recipient, "--yes", "--output", "-"),
            discloses=True,
        )
        for event in events
        for recipient in event["recipients"]
    ]
