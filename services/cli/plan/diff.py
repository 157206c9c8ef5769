"""`steward plan diff`: what a new plan changes for people."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.plan.reading import former_plan, usable_plan

if TYPE_CHECKING:
    from services.cli.plan.difference import Change
    from shared.privacy.plan import Plan

ASK_AGAIN = 3
"""The exit code where somebody has to be asked for consent, or a person has to judge that."""


def diff(
    old: Annotated[Path, typer.Argument(help="The plan that is or was in force.")],
    new: Annotated[Path, typer.Argument(help="The plan that is to be.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say in words what changes for people, and whether they have to be asked for consent.

    The exit code is 0 when nobody has to be asked, 3 when people have to be, or when somebody has
    to judge whether, and 1 when one of the two is no plan.

    Example: steward plan diff plan.toml plan-2027.toml
    """
    from services.cli.plan.difference import changes

    plans = former_plan(old), usable_plan(new)
    found = changes(*plans)
    typer.echo(_as_json(plans, found) if as_json else in_words(found))
    if any(change.consent != "not_needed" for change in found):
        raise typer.Exit(ASK_AGAIN)


def _as_json(plans: tuple[Plan, Plan], found: tuple[Change, ...]) -> str:
    from services.cli.plan.difference import purposes_with

    said = {
        "old_digest": plans[0].digest,
        "new_digest": plans[1].digest,
        "consent_needed_for": purposes_with("needed", found),
        "consent_to_be_judged_for": purposes_with("to_be_judged", found),
        "changes": [asdict(change) for change in found],
    }
    return json.dumps(said, ensure_ascii=False, indent=2)


_MARKS = {
    "needed": " [new consent]",
    "to_be_judged": " [new consent? judge]",
    "not_needed": "",
}


def in_words(found: tuple[Change, ...]) -> str:
    """Each change on lines of its own, and what has to be done about consents."""
    from services.cli.plan.difference import purposes_with

    if not found:
        return "Nothing changes for people."
    lines = [f"- {change.says}{_MARKS[change.consent]}\n    {change.where}" for change in found]
    needed = purposes_with("needed", found)
    judged = tuple(n for n in purposes_with("to_be_judged", found) if n not in needed)
    lines.append("")
    if needed:
        lines.append(f"New consent is needed for: {', '.join(needed)}.")
    if judged:
        lines.append(f"Judge whether the consents still cover it for: {', '.join(judged)}.")
    if not needed and not judged:
        lines.append("No new consent is needed.")
    lines.append("The privacy notice changes: `steward plan notice` writes it anew.")
    return "\n".join(lines)
