"""`steward plan check`: every contradiction of a plan at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.plan.reading import PlanFile, as_data, plan_path, tell

if TYPE_CHECKING:
    from shared.privacy.plan import Plan


def check(
    file: PlanFile = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the findings as one JSON object.")
    ] = False,
) -> None:
    """Find every contradiction in a plan: file, line, both sides, remedy. Exits 1 if there is one.

    Example: steward plan check plan.toml
    """
    from shared.privacy.plan import PlanError, load_plan

    path = plan_path(file)
    try:
        loaded = load_plan(path)
    except PlanError as error:
        if as_json:
            found = {"ok": False, "findings": as_data(error)}
            typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        else:
            tell(error)
        raise typer.Exit(1) from None
    _approve(loaded, path, as_json=as_json)


def _approve(plan: Plan, path: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"ok": True, "digest": plan.digest, "findings": []}, indent=2))
        return
    typer.echo(
        f"{path} agrees with itself: {len(plan.purposes)} purposes,"
        f" {len(plan.categories)} categories, {len(plan.recipients)} recipients,"
        f" {len(plan.services)} services.\nSHA-256 {plan.digest}"
    )
