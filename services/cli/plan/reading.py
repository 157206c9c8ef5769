"""Which plan a command is about, and what is told where it cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli import environment

if TYPE_CHECKING:
    from shared.privacy.plan import Plan, PlanError

PlanFile = Annotated[
    Path | None,
    typer.Argument(help="The plan; else STEWARD_PLAN, or plan.toml.", show_default=False),
]


def plan_path(file: Path | None) -> Path:
    """The file that was named, else the plan that services run by."""
    return file or environment.plan_path()


def usable_plan(path: Path) -> Plan:
    """A plan that is to be in force; where it contradicts itself, that is told and the command
    exits with 1.
    """
    from shared.privacy.plan import load_plan

    return _told(path, load_plan)


def former_plan(path: Path) -> Plan:
    """The same of a plan that is or was in force, maybe with other services than there are now."""
    from shared.privacy.plan import load_former_plan

    return _told(path, load_former_plan)


def _told(path: Path, load: Callable[[Path], Plan]) -> Plan:
    from shared.privacy.plan import PlanError

    try:
        return load(path)
    except PlanError as error:
        tell(error)
        raise typer.Exit(1) from None


def tell(error: PlanError) -> None:
    """Every finding on a line of standard error, then how many there are."""
    for finding in error.findings:
        typer.echo(str(finding), err=True)
    count = len(error.findings)
    typer.echo(f"{count} {'contradiction' if count == 1 else 'contradictions'}", err=True)


def as_data(error: PlanError) -> list[dict[str, Any]]:
    """The findings as JSON has them."""
    return [asdict(finding) for finding in error.findings]
