"""`steward audit`: the log for operators. Heavy imports stand where they are needed."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from services.audit.commands import proofs, rights

app = typer.Typer(help="The log of disclosures.", no_args_is_help=True)


class Format(StrEnum):
    """How entries are printed."""

    JSONL = "jsonl"
    TABLE = "table"


@app.callback()
def audit() -> None:
    """The log of every disclosure, transmission and reading of personal data."""


@app.command()
def replay(  # noqa: PLR0913, PLR0917 - one for each option
    since: Annotated[
        str | None, typer.Option(help="From this moment or day on, as ISO 8601 writes it.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Before this moment, or up to the end of this day.")
    ] = None,
    subject: Annotated[UUID | None, typer.Option(help="Entries about this data subject.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Entries of this recipient.")] = None,
    event: Annotated[UUID | None, typer.Option(help="Entries of this event.")] = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="Go on after the entry with this number.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as entries come.")] = False,
    to_topic: Annotated[
        str | None, typer.Option(help="Publish to this topic, with the original ids.")
    ] = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="[default: table on a terminal, else jsonl]")
    ] = None,
) -> None:
    """Print the entries of the log in order, or publish them again; all filters must hold.

    Each line has the entry's number in the log; --after takes one to go on from there.

    Examples: steward audit replay --since 2026-11-01 --recipient caterer ·
    steward audit replay --after 1500 --follow --format jsonl
    """
    from services.audit.commands.replay import Request, run_replay

    printed = format_ or (Format.TABLE if sys.stdout.isatty() else Format.JSONL)
    request = Request(
        since=since,
        until=until,
        subject_id=subject,
        recipient=recipient,
        event_id=event,
        after=-1 if after is None else after,
        follow=follow,
        to_topic=to_topic,
        as_table=printed is Format.TABLE,
    )
    raise typer.Exit(run_replay(request))


@app.command()
def key() -> None:
    """Print the verifier key of the log: who has it can check every checkpoint and proof.

    Hand it to auditors and witnesses by a way that does not lead through this machine.

    Example: steward audit key
    """
    from services.audit.handlers.identity import signing_key
    from services.audit.settings import Settings

    typer.echo(str(signing_key(Settings.load()).verifier()))


proofs.add_commands(app)
rights.add_commands(app)
