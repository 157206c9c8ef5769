"""What pydantic finds wrong with the form of a plan, said with line, both sides and remedy."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.lines import Lines, Path, written
from shared.privacy.plan.plan import Plan

_SHOWN = 60


def findings(error: ValidationError, lines: Lines, file: str) -> Iterator[Finding]:
    """One finding for each fault of form. A plan holds no personal data, so values may be shown."""
    for fault in error.errors(include_url=False):
        path: Path = tuple(part for part in fault["loc"] if part != "[key]")
        says, but, remedy = _sentences(fault["type"], path, fault)
        yield Finding(file, lines.of(path), _rule(fault["type"]), says, but, remedy)


def _rule(kind: str) -> str:
    return {"missing": "missing-key", "extra_forbidden": "unknown-key"}.get(kind, "wrong-value")


def _sentences(kind: str, path: Path, fault: Any) -> tuple[str, str, str]:  # noqa: ANN401 - pydantic's own dictionary
    key = str(path[-1]) if path else ""
    if kind == "missing":
        where = written(path[:-1]) or "the plan"
        return f"{where} has no {key}", "it must say one", f"Add `{key} = …`{_choice(path)}"
    if kind == "extra_forbidden":
        known = known_keys(path)
        near = difflib.get_close_matches(key, known, n=1)
        remedy = (
            f"Did you mean `{near[0]}`?"
            if near
            else f"Remove it, or use one of: {', '.join(known)}"
        )
        return f"{written(path)} is written", "the plan knows no such key there", remedy
    given = repr(fault.get("input"))
    shown = given if len(given) <= _SHOWN else given[:_SHOWN] + "…"
    return f"{written(path)} is {shown}", _lower(fault["msg"]), "Write it in the form that is asked"


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _choice(path: Path) -> str:
    field = _model_at(path).model_fields.get(str(path[-1]))
    choices = typing.get_args(field.annotation) if field else ()
    named = [choice for choice in choices if isinstance(choice, str)]
    return f", one of: {', '.join(named)}" if named else ""


def known_keys(path: Path) -> list[str]:
    """The keys that the form knows beside this one."""
    return [name for name in _model_at(path).model_fields if name != "digest"]


def _model_at(path: Sequence[str | int]) -> type[BaseModel]:
    """The model that holds the last key of the path."""
    model: type[BaseModel] = Plan
    place = 0
    while place < len(path) - 1:
        field = model.model_fields.get(str(path[place]))
        inner = None if field is None else _model_in(field.annotation)
        if field is None or inner is None:
            break
        model = inner
        # A table of tables, or an array of them, has one more part of the path.
        place += 2 if typing.get_origin(field.annotation) in (dict, tuple) else 1
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
