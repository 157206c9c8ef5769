"""`steward audit`: the log for operators. Heavy imports stand where they are needed."""

from __future__ import annotations

import sys
from typing import Annotated, Literal
from uuid import UUID

import typer

from services.audit.commands import proofs, rights

app = typer.Typer(help="The log of disclosures.", no_args_is_help=True, add_completion=False)


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
    subject: Annotated[
        UUID | None,
        typer.Option(help="Entries about this data subject, and who proved to be the same person."),
    ] = None,
    email: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL|-",
            help="Entries about every subject of this person; - reads from standard input.",
        ),
    ] = None,
    recipient: Annotated[str | None, typer.Option(help="Entries of this recipient.")] = None,
    purpose: Annotated[str | None, typer.Option(help="Entries with this purpose.")] = None,
    event: Annotated[UUID | None, typer.Option(help="Entries of this event.")] = None,
    category: Annotated[str | None, typer.Option(help="Entries with this category.")] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="Entries of this type, as DataDisclosed.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Entries by this actor, as cli:NAME.")] = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="Go on after the entry with this number.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as entries come.")] = False,
    to_topic: Annotated[
        str | None, typer.Option(help="Publish to this topic, with the original ids.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be replayed.")
    ] = False,
    format_: Annotated[
        Literal["table", "jsonl", "cloudevents"] | None,
        typer.Option("--format", help="Else a table on a terminal, and jsonl otherwise."),
    ] = None,
) -> None:
    """Print the entries of the log in order, or publish them again; all filters must hold.

    A line of jsonl has the entry's number in the log, and --after takes one to go on from there. A
    line of cloudevents is the entry itself: a CloudEvent in structured mode. Exit code 1: nothing
    is recorded of the person who was named; 130: interrupted, and how to go on is told.

    Examples: steward audit replay --since 2026-11-01 --recipient caterer ·
    steward audit replay --after 1500 --follow --format jsonl
    """
    from services.audit.commands.asked import Asked
    from services.audit.commands.replay import Request, run_replay

    asked = Asked(
        since=since,
        until=until,
        subject=subject,
        email=email,
        recipient=recipient,
        purpose=purpose,
        event=event,
        category=category,
        type=type_,
        actor=actor,
    )
    request = Request(
        asked,
        after=-1 if after is None else after,
        follow=follow,
        dry_run=dry_run,
        to_topic=to_topic,
        format=format_ or ("table" if sys.stdout.isatty() else "jsonl"),
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
