"""Every command of `steward`, those too that are loaded when they are called."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from unittest.mock import patch

import typer
from typer._click import Command, Context
from typer.core import TyperGroup

from services.cli.root import app

Path = tuple[str, ...]
"""The words that lead to a command."""


def tree() -> Mapping[Path, Command]:
    """Groups and commands, `steward` itself under no words."""
    # Where one of them would find its system, no test is told.
    with patch.dict(os.environ):
        return dict(_below(typer.main.get_command(app), ()))


def _below(command: Command, path: Path) -> Iterator[tuple[Path, Command]]:
    yield path, command
    if isinstance(command, TyperGroup):
        context = Context(command)
        for name in command.list_commands(context):
            _, inner, _ = command.resolve_command(context, [name])
            assert inner is not None
            yield from _below(inner, (*path, name))


def is_group(command: Command) -> bool:
    """Whether it has commands of its own."""
    return isinstance(command, TyperGroup)
