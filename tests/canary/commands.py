"""Commands as operators and staff call them, well and badly, and what they print."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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
    """A command line, what its standard input says, and its exit code. `discloses`: it is a
    permitted door, or shows what an operator asked to see.
    """

    arguments: tuple[str, ...]
    given: str | None = None
    code: int = 0
    discloses: bool = False


_HOTEL: Final = Call((*_SEMINAR, "hotel", "--yes", "--output", "-"), discloses=True)


@dataclass(frozen=True, slots=True)
class Operator:
    """Runs commands, and has searched what each prints. `unexpected` names those that did not end
    as they should: what they print says nothing then.
    """

    stack: Stack
    marks: Marks
    survey: Survey
    unexpected: list[str] = field(default_factory=list)

    async def search_commands(self, *, few: bool) -> None:
        """`few`: those that touch personal data most."""
        listed = await self._run(Call(("dead-letters", "list", "--json")))
        letters = [str(orjson.loads(line)["id"]) for line in listed.splitlines()]
        disclosing = [_HOTEL] if few else await self._lists()
        await self._run_all(disclosing)
        await self.stack.settle()
        await self._run_all(_usual(self.marks))
        if not few:
            await self._run(Call(("dead-letters", "show", *letters[:_MOST_SHOWN])))
            await self._run_all(_many(self.stack, self.marks))
        # Their faults are not mended: they fail again.
        await self._run(Call(("dead-letters", "redrive", "--all"), code=1))
        await self.stack.settle()

    async def _run_all(self, calls: Iterable[Call]) -> None:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def run(call: Call) -> None:
            async with gate:
                await self._run(call)

        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(run(call))

    async def _run(self, call: Call) -> bytes:
        said = await self.stack.steward(*call.arguments, given=call.given)
        name = f"steward {_shown(call, self.marks)}"
        if said.code != call.code:
            self.unexpected.append(f"{name} exited with {said.code}, not {call.code}")
        place, may = (LISTS, anyones) if call.discloses else (OUTPUTS, nowhere)
        self.survey.look(place, name, [said.out, b"\n", said.complaint], may)
        return said.out

    async def _lists(self) -> list[Call]:
        """Every list that some event's recipient may have."""
        listed = await self._run(Call(("registration", "events", "--json")))
        events = [orjson.loads(line) for line in listed.splitlines()]
        line = ("registration", "disclose")
        rest = ("--yes", "--output", "-")
        return [
            Call((*line, event["number"], recipient, *rest), discloses=True)
            for event in events
            for recipient in event["recipients"]
        ]


async def search_lists(stack: Stack, survey: Survey, may: May) -> None:
    """What recipients of the event that the followed person registered for get now."""
    said = await stack.steward(*_HOTEL.arguments)
    name = f"steward {' '.join(_HOTEL.arguments)}"
    survey.look(LISTS, name, [said.out, said.complaint], may)


def _shown(call: Call, marks: Marks) -> str:
    """What may be said of a command line: no mark of it, and no long list of ids."""
    words = ["…" if marks.text in word else word for word in call.arguments]
    return " ".join(words[:6])


def _usual(marks: Marks) -> Iterator[Call]:
    mark = marks.of(NOBODY, "argument")
    broken = (f'{{"{mark}": "{mark}"', f'{{"type": "{mark}"}}', f'{{"kafka": {{"{mark}": 1}}}}')
    yield Call(("audit", "about", "-"), f"{marks.email_of(FOLLOWED)}\n")
    yield Call(("consent", "check", "-", "marketing"), f"{mark}@{mark}@-", code=2)
    yield Call(("send", "--strict", "-"), "\n".join(broken), code=1)


def _about_subjects(mark: str, email: str) -> Iterator[Call]:
    yield Call(("subjects", "show", "-"), email)
    yield Call(("subjects", "show", "-", "--json"), email)
    yield Call(("subjects", "show", "-"), mark, code=2)
    link = ("subjects", "link", "-", "--to", "-", "--reason", "changed-address")
    yield Call(link, f"{mark}@example.org\n{mark}.other@example.org", code=1)
    yield Call(("subjects", "unlink", "-", "--reason", "address-given-up"), mark, code=2)
    yield Call(("keys", "destroy", "--email", "-", "--yes"), f"{mark}@example.org", code=1)
    yield Call(("keys", "destroy", "--email", "-", "--yes"), mark, code=2)
    # Announcements of the day lie as dead letters: nobody knows what is due.
    yield Call(("keys", "destroy-due", "--on", "2020-01-01", "--yes"), code=1)


def _many(stack: Stack, marks: Marks) -> Iterator[Call]:
    mark = marks.of(NOBODY, "argument")
    caterer = stack.outside / "caterer.csv"
    yield Call((*_SEMINAR, "caterer", "--yes", "--output", str(caterer)))
    yield Call(("audit", "about", "-", "--json"), f"{marks.email_of(FOLLOWED)}\n")
    page = ("audit", "about", "-", "--format", "html", "--language", "fi")
    yield Call(page, f"{marks.email_of(FOLLOWED)}\n")
    yield Call(("audit", "about", "-"), mark, code=2)
    span = ("--since", "2020-01-01", "--until", "2040-12-31")
    yield Call(("audit", "breach", "--recipient", "caterer", *span))
    reading = ("registration", "show", SEMINAR.number, "-", "event-arrangement")
    yield Call(reading, marks.email_of(FOLLOWED), discloses=True)
    yield Call(reading, f"{mark}@example.org", code=1)
    yield Call(reading, f"{mark}@{mark}@-", code=2)
    yield from _about_subjects(mark, marks.email_of(FOLLOWED))
    # Withdrawn in the evening.
    yield Call(("consent", "check", "-", "marketing"), marks.email_of(FOLLOWED), code=1)
    yield Call(("send", "-"), f'{{"{mark}', code=1)
    yield Call(("status",))
    yield Call(("status", "--json"))
    yield Call(("dead-letters", "list"))
    yield Call(("positions", "list"))
    yield Call(("positions", "list", "--json"))
    yield Call(("registration", "events"))
    yield Call(("registration", "events", "--json"))
    yield Call(("audit", "replay", "--format", "table"))
    yield Call(("audit", "replay", "--format", "jsonl"))
    replayed = ("audit", "replay", "--email", "-", "--format", "cloudevents")
    yield Call(replayed, f"{marks.email_of(FOLLOWED)}\n")
    yield Call(("retention", "due", "--on", "2040-12-31"))
    yield Call(("retention", "due", "--on", "2040-12-31", "--json"))
    yield Call(("registration", "republish"))
    yield Call(("consent", "republish"))
    yield Call(("finance", "republish"))
    yield Call(("plan", "check"))
    for process in ("registration", "consent", "finance", "retention", "audit", "kafka"):
        yield Call(("logs", process, "--lines", "100000"))
