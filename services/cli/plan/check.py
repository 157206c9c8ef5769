"""`steward plan check`: every contradiction of a plan at once."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shared.privacy.plan import Plan, PlanError


def check(
    file: Annotated[
        Path | None,
        typer.Argument(help="The plan. [default: STEWARD_PLAN, or plan.toml]", show_default=False),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the findings as one JSON object.")
    ] = False,
) -> None:
    """Find every contradiction in a plan: file, line, both sides, remedy. Exits 1 if there is one.

    Example: steward plan check plan.toml
    """
    from shared.privacy.plan import PlanError, load_plan

    path = file or Path(os.environ.get("STEWARD_PLAN") or "plan.toml")
    try:
        loaded = load_plan(path)
    except PlanError as error:
        _report(error, as_json=as_json)
        raise typer.Exit(1) from None
    _approve(loaded, path, as_json=as_json)


def _report(error: PlanError, *, as_json: bool) -> None:
    if as_json:
        findings = [asdict(finding) for finding in error.findings]
        typer.echo(json.dumps({"ok": False, "findings": findings}, ensure_ascii=False, indent=2))
        return
    for finding in error.findings:
        typer.echo(str(finding), err=True)
    count = len(error.findings)
    typer.echo(f"{count} {'contradiction' if count == 1 else 'contradictions'}", err=True)


def _approve(plan: Plan, path: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"ok": True, "digest": plan.digest, "findings": []}, indent=2))
        return
    typer.echo(
        f"{path} agrees with itself: {len(plan.purposes)} purposes,"
        f" {len(plan.categories)} categories, {len(plan.recipients)} recipients,"
        f" {len(plan.services)} services.\nSHA-256 {plan.digest}"
    )
