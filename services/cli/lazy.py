"""A group of commands whose modules are imported when one of them is called, not for `--help`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context


@dataclass(frozen=True)
class Lazy:
    """Where a command or group of commands is: a module with a Typer `app`; a line of help."""

    module: str
    help: str
    running: bool = False
    """Works on a running system: found by itself where the environment names none."""


def _load(name: str, lazy: Lazy) -> Command:
    if lazy.running:
        from services.cli.environment import use_running_system

        use_running_system()
    app = importlib.import_module(lazy.module).app
    command = typer.main.get_command(app)
    command.name = name
    return command


def lazy_group(table: dict[str, Lazy]) -> type[TyperGroup]:
    """A class of group that has the commands of the table besides its own."""

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Context) -> list[str]:
            return [*super().list_commands(ctx), *table]

        def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
            """For lists and for help; `resolve_command` gives the real one."""
            if cmd_name in table:
                return TyperCommand(cmd_name, help=table[cmd_name].help)
            return super().get_command(ctx, cmd_name)

        def resolve_command(
            self, ctx: Context, args: list[str]
        ) -> tuple[str | None, Command | None, list[str]]:
            name, command, rest = super().resolve_command(ctx, args)
            if name in table:
                command = _load(name, table[name])
            return name, command, rest

    return LazyGroup
