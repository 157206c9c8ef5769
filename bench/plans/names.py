"""Which statement of which file it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import aiosql

from bench.plans.log import Explained

_ROOT = Path(__file__).parents[2]
_FOLDERS = ("services", "shared")
_COMMENT = re.compile(r"--[^\n]*")
_VALUES = re.compile(r"'\{([^{}']+)\}'")

MANY = 10
"""Values of a list that are not shown any more."""


def statements() -> dict[str, str]:
    """The name of each statement in a file of queries, by its text as `written` gives it."""
    names: dict[str, str] = {}
    for folder in _FOLDERS:
        for file in sorted((_ROOT / folder).glob("**/*.sql")):
            if "migrations" not in file.parts:
                loaded = aiosql.from_path(file, "asyncpg")
                for name in loaded.available_queries:
                    statement = getattr(loaded, name).sql
                    names.setdefault(written(statement), name)
    return names


def written(statement: str) -> str:
    """A statement without comments and with single spaces: two that are equal are the same one."""
    return " ".join(_COMMENT.sub("", statement).split()).rstrip(";")


def by_name(
    executions: Iterable[Explained], names: Mapping[str, str]
) -> dict[tuple[str, str], list[Explained]]:
    """Executions by service and name; what stands in no file of ours is left out.

    A statement inside of a function is named by the function and its line or number there.
    """
    found: dict[tuple[str, str], list[Explained]] = {}
    for one in executions:
        name = names.get(written(one.statement))
        if one.function is not None:
            name = f"{one.function}-{one.line:03d}"
        if name is not None:
            found.setdefault((one.service, name), []).append(one)
    return found


def telling(executions: Sequence[Explained]) -> Explained:
    """One that took longer than nine in ten did: a large batch, and not the odd slow moment."""
    return sorted(executions, key=lambda one: one.milliseconds)[len(executions) * 9 // 10]


def abridged(plan: str) -> str:
    """A plan whose long lists of values are counted and not shown: they can be a thousand."""
    return _VALUES.sub(_counted, plan)


def _counted(found: re.Match[str]) -> str:
    many = found[1].count(",") + 1
    return found[0] if many < MANY else f"'{{{many} values}}'"
