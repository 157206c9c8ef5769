"""`steward plan apply`: a changed plan for the running system."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from services.cli.plan.reading import PlanFile, as_data, plan_path, tell
from shared.runtime.confirming import confirm

if TYPE_CHECKING:
    import asyncpg

    from shared.privacy.plan import Plan
    from shared.privacy.stored_plans import StoredPlan

REFUSED = 1
NOT_ALL_SAID_SO = 3
"""The exit code where the plan is in force, and a process has not said that it works under it."""

KEPT = "Nothing changed: services keep the plan they have."

Document = dict[str, Any]
Followers = Mapping[str, tuple[int, int]]
"""By service: how many of its processes work under the plan, and how many run."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How the command was called."""

    wait_s: float
    dry_run: bool
    yes: bool
    as_json: bool

    def say(self, text: str) -> None:
        """Tell a person; where a program reads the output, beside it."""
        typer.echo(text, err=self.as_json)


def apply(
    file: PlanFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="For running services, at most.")
    ] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object at the end.")] = False,
) -> None:
    """Put a plan in force, from each service's next batch on; none has to be started again.

    Then it waits until every running process says that it works under the plan. One that does not
    run takes it when it starts. A plan that contradicts itself is refused; the former one stays.

    DATABASE_URL is the administrator's, as for `steward migrate`.

    The exit code is 0 when it is in force, or was already; 1 when it is not, being refused or not
    confirmed; 3 when it is, but a process has not said so in time.

    Examples: steward plan apply plan-2027.toml · steward plan apply --dry-run
    """
    from services.cli.environment import use_running_system

    use_running_system()
    asked = Asked(wait, dry_run, yes, as_json)
    asyncio.run(_apply(_wanted(plan_path(file), asked), asked))


def _wanted(path: Path, asked: Asked) -> tuple[Plan, bytes]:
    """The plan and its text; one that cannot be in force here ends the command."""
    from shared.privacy.plan import PlanError, load_with_text

    try:
        return load_with_text(path)
    except PlanError as error:
        tell(error)
        _end(asked, {"findings": as_data(error)}, refused=KEPT)


async def _apply(wanted: tuple[Plan, bytes], asked: Asked) -> None:
    from asyncpg import LockNotAvailableError

    from services.cli.plan.applying import apply_plan, plan_in_force
    from shared.local.administrator import connected
    from shared.runtime.actor import actor
    from shared.runtime.settings import ServiceSettings

    plan, _ = wanted
    settings = ServiceSettings.load()
    async with connected(settings) as administrator:
        before = await plan_in_force(administrator)
        if before is None:
            _end(
                asked, {}, refused="No plan is stored yet: `steward migrate` stores the first one."
            )
        said: Document = {"before": before.digest, "digest": plan.digest}
        if plan.digest == before.digest:
            asked.say(
                f"This plan is in force already, since {before.applied_at:%Y-%m-%d %H:%M} UTC."
            )
            _end(asked, said)
        said["changes"] = _tell_difference(before, plan, asked)
        if asked.dry_run:
            asked.say("Nothing changed: this was a dry run.")
            _end(asked, said)
        if not asked.yes:
            confirm("Put this plan in force?", err=asked.as_json)
        try:
            stored = await apply_plan(
                administrator, wanted, instead_of=before.digest, actor=actor()
            )
        except LockNotAvailableError:
            _end(asked, said, refused=f"The work of a service does not come to its end. {KEPT}")
        asked.say(f"Plan {stored.number} is in force: SHA-256 {stored.digest}")
        said |= {"number": stored.number, "applied_at": stored.applied_at.isoformat()}
        services = await _wait(administrator, stored.number, asked)
        said["services"] = {
            name: {"running": running, "under_this_plan": under}
            for name, (under, running) in services.items()
        }
    _end(asked, said, applied=True, code=0 if _all_follow(services) else NOT_ALL_SAID_SO)


def _tell_difference(before: StoredPlan, plan: Plan, asked: Asked) -> list[Document] | None:
    """Tell what changes for people; None where this release cannot read the plan in force."""
    from dataclasses import asdict

    from services.cli.plan.diff import in_words
    from services.cli.plan.difference import changes
    from shared.privacy.plan import PlanError

    try:
        old = before.read()
    except PlanError:
        asked.say("This release does not accept the plan in force: what changes cannot be told.")
        return None
    found = changes(old, plan)
    asked.say(in_words(found))
    unheard = _unheard(old, plan)
    if unheard:
        asked.say(
            f"The registration service has not heard what people answered to {', '.join(unheard)}:"
            " run `steward consent republish` once the plan is in force, and disclose nothing for"
            " it before."
        )
    return [asdict(change) for change in found]


def _unheard(old: Plan, new: Plan) -> list[str]:
    """The purposes on consent that registration is granted anew. It hears no yes to any other, and
    no no to one that it never was granted (ADR 59).
    """
    before, after = (plan.services["registration"].grants for plan in (old, new))
    return [name for name in after if name not in before and new.purposes[name].needs_consent]


async def _wait(
    administrator: asyncpg.Connection[asyncpg.Record], number: int, asked: Asked
) -> Followers:
    """Until every running process works under the plan, or for as long as was asked for."""
    from services.cli.plan.applying import followed

    looks = followed(administrator, number)
    # One look, however short the wait: a process that was not looked at has not said so.
    services = await anext(looks)
    asked.say(_who_follows(services))
    try:
        async with asyncio.timeout(asked.wait_s):
            async for found in looks:
                if found != services:
                    asked.say(_who_follows(found))
                services = found
    except TimeoutError:
        waiting = [name for name, (under, running) in services.items() if under < running]
        asked.say(
            f"Not all of {', '.join(waiting)} have said so in {asked.wait_s:g} s; what they do next"
            " is under this plan all the same. `steward logs` says what they wait for."
        )
    return services


def _who_follows(services: Followers) -> str:
    counted = (f"{name} {under}/{running}" for name, (under, running) in services.items())
    return f"under it: {', '.join(counted) or 'no service runs'}"


def _all_follow(services: Followers) -> bool:
    return all(under == running for under, running in services.values())


def _end(
    asked: Asked,
    said: Document,
    *,
    refused: str | None = None,
    applied: bool = False,
    code: int = 0,
) -> NoReturn:
    if refused is not None:
        typer.echo(refused, err=True)
        code = REFUSED
    if asked.as_json:
        import orjson

        document = {"applied": applied, **said}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    raise typer.Exit(code)
