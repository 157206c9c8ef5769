"""Whoever names a person to a command can do so on standard input: what stands in a command line
is shown to everybody on the machine, and kept in the shell's history.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from typing import get_args

import pytest
import typer
from typer._click import Command, Parameter
from typer.core import TyperArgument, TyperOption
from typer.testing import CliRunner

from services.cli.root import app
from shared.privacy.asking import email_named, who_is_named
from tests.support.command_tree import Path, is_group, tree
from tests.support.commands import NOWHERE, environment_of

_PERSON = re.compile(r"e-?mail|\bperson\b|\bwhose?\b|\bphone\b|telephone", re.IGNORECASE)
_OTHERS = {"purpose": "marketing", "reason": "a test"}
"""What the other parameters of such commands are given; anything else is given `x`."""

_REASONS = {"link": "same-person", "unlink": "linked-by-mistake"}
"""Of commands that take one out of a list: one with which all of their options may be given."""


def names_a_person(parameter: Parameter) -> bool:
    """Whether its name, its placeholder or its help speaks of a person or an address of one."""
    assert isinstance(parameter, TyperArgument | TyperOption)
    annotation = parameter.type_descriptor.annotation
    if str not in (annotation, *get_args(annotation)):
        return False
    said = (parameter.name, parameter.metavar, getattr(parameter, "help", None))
    return any(_PERSON.search(text) for text in said if text)


def found() -> list[tuple[Path, Command, Parameter]]:
    return [
        (path, command, parameter)
        for path, command in tree().items()
        if not is_group(command)
        for parameter in command.params
        if names_a_person(parameter)
    ]


FOUND = found()


def arguments(command: Command, person: Parameter) -> list[str]:
    """A command line that names the person by `-`, gives what else is required, and agrees."""
    others = dict(_OTHERS)
    if command.name in _REASONS:
        others["reason"] = _REASONS[command.name]
    given: list[str] = []
    for parameter in command.params:
        value = others.get(parameter.name or "", "x")
        if parameter is person:
            value = "-"
        elif names_a_person(parameter):
            value = "somebody@example.org"
        if parameter.name == "yes":
            given.append(parameter.opts[0])
        elif parameter is person or parameter.required:
            option = parameter.opts[-1]
            given += [option, value] if option.startswith("-") else [value]
    return given


@pytest.mark.parametrize(
    ("path", "command", "person"),
    FOUND,
    ids=[f"{' '.join(path)} {parameter.name}" for path, _, parameter in FOUND],
)
def test_a_person_can_be_named_on_standard_input(
    path: Path, command: Command, person: Parameter
) -> None:
    line = [*path, *arguments(command, person)]
    result = CliRunner().invoke(app, line, input="\n", env=environment_of(NOWHERE))
    assert result.exit_code == 2
    assert "nobody is named" in result.stderr
    assert "-" in (person.metavar or "").split("|"), "and its placeholder says so"


@pytest.mark.parametrize("named", [who_is_named, email_named])
def test_a_name_in_another_encoding_is_a_wrong_argument_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, named: Callable[[str, str], str]
) -> None:
    latin_1 = io.BytesIO("mäija@example.org\n".encode("latin-1"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(latin_1, encoding="utf-8"))
    with pytest.raises(typer.BadParameter, match="not UTF-8") as refused:
        named("-", "EMAIL")
    assert "ija" not in str(refused.value)


def test_the_commands_that_name_a_person_are_known() -> None:
    assert {" ".join(path) for path, _, _ in FOUND} >= {"audit about", "consent check"}
