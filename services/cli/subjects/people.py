"""`steward subjects show | link | unlink`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from services.cli.office import Office, email, open_office

if TYPE_CHECKING:
    from shared.contract.types import SubjectId
    from shared.privacy.office import Known, LinkReason, UnlinkReason
    from shared.privacy.subjects import Alias

NOBODY = "nobody is known by this address"
TAKEN = (
    "this address leads to somebody else: where both are one person, --reason same-person; where"
    " two people have it, --reason shared-address; else unlink it first"
)

People = dict["SubjectId", "list[Known]"]


def run_show(argument: str, *, as_json: bool) -> int:
    """Print in which ways a person is known; the exit code."""
    alias = email(argument, "EMAIL")

    async def known() -> People:
        async with open_office() as office, office.parts.pool.acquire() as connection:
            people = await office.privacy.people(connection, alias)
            return {one: await office.privacy.known_by(connection, one) for one in people}

    found = asyncio.run(known())
    if not found:
        typer.echo(NOBODY, err=True)
        return 1
    _print_json(found) if as_json else _print(found)
    return 0


def run_link(argument: str, to: str, reason: LinkReason) -> int:
    """Link, and say what came of it; the exit code."""
    alias, other = email(argument, "EMAIL"), email(to, "--to")

    async def linked() -> str | None:
        async with open_office() as office, office.work() as tx:
            people = await office.privacy.people(tx.connection, other)
            return await office.privacy.link(tx, alias, people[0], reason) if people else None

    outcome = asyncio.run(linked())
    told = {
        "linked": "it is linked, and that is recorded",
        "known": "it led there already: nothing was changed",
        "taken": TAKEN,
        None: "nobody is known by the address after --to",
    }
    done = outcome in {"linked", "known"}
    typer.echo(told[outcome], err=not done)
    return 0 if done else 1


def run_unlink(argument: str, of: str | None, reason: UnlinkReason) -> int:
    """Unlink, and say what came of it; the exit code."""
    alias = email(argument, "EMAIL")
    other = alias if of is None else email(of, "--of")

    async def unlinked() -> bool:
        async with open_office() as office:
            return await _unlink(office, alias, other, reason)

    if not asyncio.run(unlinked()):
        typer.echo("it does not lead there: nothing was changed", err=True)
        return 1
    typer.echo("it leads there no longer, and that is recorded")
    return 0


async def _unlink(office: Office, alias: Alias, other: Alias, reason: UnlinkReason) -> bool:
    async with office.work() as tx:
        people = await office.privacy.people(tx.connection, other)
        return bool(people) and await office.privacy.unlink(tx, alias, people[0], reason)


def _print_json(found: People) -> None:
    import orjson

    people = [{"subject_id": one, "known_by": known} for one, known in found.items()]
    typer.echo(orjson.dumps({"subjects": people}, default=str).decode())


def _print(found: People) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for number, (subject_id, known) in enumerate(found.items()):
        note = "" if number == 0 else " (the same person)"
        console.print(f"Data subject {subject_id}{note}", highlight=False)
        table = Table(box=None, pad_edge=False)
        for column in ("known by", "source", "since"):
            table.add_column(column)
        for one in known:
            kind = one.kind.replace("_", " ").replace("email", "e-mail")
            shared = " (shared)" if one.shared else ""
            table.add_row(f"{kind}{shared}", one.source or "", f"{one.made_at:%Y-%m-%d}")
        console.print(table)
