"""Reads the plans that `auto_explain` wrote into Postgres's log. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LINE_PREFIX = "%p %u "
"""For `log_line_prefix`: process and role."""

_BEGINS = re.compile(r"^(\d+) steward_(\w+) (LOG|CONTEXT): {2}(.*)$")
_PLAN = re.compile(r"duration: ([\d.]+) ms  plan:$")
_TEXT = "Query Text: "
_PLAN_BEGINS = re.compile(r"^(?:\S.*  \(cost=|\S.*  \(actual )")
_FUNCTION = re.compile(
    r"PL/pgSQL function (?:\w+\.)?(\w+)\(.*?\) line (\d+) at"
    r'|SQL function "(\w+)" statement (\d+)'
)


@dataclass(frozen=True, slots=True)
class Explained:
    """One execution of one statement. `function` and `line` say where in a function it stands; in
    one of plain SQL `line` counts statements.
    """

    service: str
    milliseconds: float
    statement: str
    plan: str
    function: str | None = None
    line: int = 0


def explained(lines: Iterable[str]) -> Iterator[Explained]:
    """Every execution in the log, in its order."""
    last: Explained | None = None
    for service, kind, text in _entries(lines):
        where = _FUNCTION.search(text) if kind == "CONTEXT" else None
        if where and last is not None:
            last = Explained(
                last.service,
                last.milliseconds,
                last.statement,
                last.plan,
                where[1] or where[3],
                int(where[2] or where[4]),
            )
        if kind == "LOG":
            if last is not None:
                yield last
            last = _explained(service, text)
    if last is not None:
        yield last


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Service, kind and text of each entry; its further lines begin with a tab."""
    service, kind, text = "", "", list[str]()
    for line in lines:
        begins = _BEGINS.match(line)
        if begins is None and line.startswith("\t"):
            text.append(line[1:])
            continue
        if text:
            yield service, kind, "\n".join(text)
        service, kind, text = "", "", []
        if begins is not None:
            service, kind, text = begins.group(2), begins.group(3), [begins.group(4)]
    if text:
        yield service, kind, "\n".join(text)


def _explained(service: str, text: str) -> Explained | None:
    first, *rest = text.split("\n")
    timed = _PLAN.match(first)
    if timed is None or not rest or not rest[0].startswith(_TEXT):
        return None
    begins = next((n for n, line in enumerate(rest) if n and _PLAN_BEGINS.match(line)), len(rest))
    statement = "\n".join(rest[:begins]).removeprefix(_TEXT)
    return Explained(service, float(timed.group(1)), statement, "\n".join(rest[begins:]))
