"""`steward registration`: events, and lists of their people for those who may have them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from shared.runtime.confirming import confirm

if TYPE_CHECKING:
    from services.registration.commands.counter import Wish

app = typer.Typer(
    help="Events, and lists of their people.", no_args_is_help=True, add_completion=False
)

_AS_JSON = typer.Option("--json", help="Write JSON, for programs.")


@app.callback()
def _group() -> None:
    """Events, and lists of their people."""


@app.command()
def events(*, as_json: Annotated[bool, _AS_JSON] = False) -> None:
    """List events with their places and how many of them are taken."""
    from services.registration.commands.counter import Counter, list_events
    from services.registration.settings import Settings

    async def listed() -> str:
        async with Counter.open(Settings.load()) as counter:
            return await list_events(counter, as_json=as_json)

    typer.echo(asyncio.run(listed()))


EventName = Annotated[str, typer.Argument(metavar="EVENT", help="The event's number or id.")]
Output = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH", help="Where the CSV goes; - for standard output; else the folder."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="The summary as JSON.")]
Subject = Annotated[
    UUID | None,
    typer.Option(metavar="ID", help="Which data subject, of several who have the address."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before handing over.")]


@app.command()
def disclose(
    event: EventName,
    recipient: Annotated[str, typer.Argument(help="The recipient's name in the plan.")],
    *,
    output: Output = None,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Hand a recipient the list of an event's people that it may have, as CSV.

    Every person is in the audit log before anything is written.

    Without --output it goes into the folder of what goes out, STEWARD_OUTGOING_FOLDER.

    Exit code 1: it is not delivered; see `steward disclosures`. 2: no such list.

    Example: steward registration disclose EV-2026-104 hotel --output hotel.csv
    """
    from services.registration.commands.counter import Wish

    _hand_over(Wish(event, recipient, output), as_json=as_json, yes=yes)


@app.command("disclose-to-authority")
def disclose_to_authority(  # noqa: PLR0913 - one for each option
    event: EventName,
    authority: Annotated[str, typer.Argument(help="The authority's name in the plan.")],
    person: Annotated[
        str,
        typer.Argument(metavar="EMAIL|-", help="Whose; - reads the address from standard input."),
    ],
    *,
    reference: Annotated[
        str, typer.Option(metavar="NUMBER", help="The authority's own number of its request.")
    ],
    subject: Subject = None,
    output: Output = None,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Hand an authority what it asks for by law of one person at an event, as CSV.

    The audit log names the law, as the plan has it, and the request. It makes no difference whether
    the person has a place, waits for one or has cancelled.

    Exit codes as of `disclose`; 2 also where several people have the address, and --subject has to
    name one of them.

    Example: steward registration disclose-to-authority E-1 police - --reference 12/26
    """
    from pydantic import TypeAdapter, ValidationError

    from services.registration.commands.counter import Wish
    from shared.contract.audit import RequestReference
    from shared.privacy.asking import email_named

    try:
        TypeAdapter(RequestReference).validate_python(reference)
    except ValidationError:
        raise typer.BadParameter(
            "up to 60 letters, digits, spaces and ./:_-", param_hint="--reference"
        ) from None
    email = email_named(person, "EMAIL")
    wish = Wish(event, authority, output, email, reference, subject)
    _hand_over(wish, as_json=as_json, yes=yes)


def _hand_over(wish: Wish, *, as_json: bool, yes: bool) -> None:
    from services.registration.commands.counter import Counter, NotDeliveredError, hand_over
    from services.registration.handlers.handover import NothingToDiscloseError
    from services.registration.settings import Settings

    to_output = wish.output == Path("-")
    if not yes:
        confirm(
            f"Hand the list to {wish.recipient}? It is recorded for each person",
            err=as_json or to_output,
        )

    async def handed_over() -> str:
        async with Counter.open(Settings.load()) as counter:
            return await hand_over(counter, wish, as_json=as_json)

    try:
        summary = asyncio.run(handed_over())
    except NothingToDiscloseError as error:
        typer.echo(f"Nothing was disclosed. {error}", err=True)
        raise typer.Exit(2) from None
    except NotDeliveredError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(summary, err=to_output)


@app.command()
def show(
    event: Annotated[str, typer.Argument(help="The event's number or id.")],
    person: Annotated[
        str,
        typer.Argument(
            metavar="EMAIL|-", help="Whose; - reads the e-mail address from standard input."
        ),
    ],
    purpose: Annotated[str, typer.Argument(help="What you need it for: a purpose of the plan.")],
    *,
    subject: Subject = None,
    as_json: Annotated[bool, _AS_JSON] = False,
) -> None:
    """Show what a person gave for an event, as far as your purpose needs it.

    That you read it is in the audit log before you see it, and told to the person who asks.

    Exit code 1: nobody of this address has registered for the event. 2: several people have the
    address, and --subject has to name one of them; or wrong arguments.

    Example: echo maija@example.org | steward registration show E-1 - event-arrangement
    """
    from services.registration.commands.reading import Wanted, run_show

    raise typer.Exit(run_show(Wanted(event, person, purpose, subject), as_json=as_json))


@app.command()
def republish() -> None:
    """Say the state of every event and registration again, for readers who missed it.

    It ends once Kafka has all of it: then a partition of the topic `registration` that stands still
    may go on (`steward positions`).

    Exit code 1: Kafka has not, as the service does not run or Kafka is away.

    Example: steward registration republish
    """
    from services.registration.commands.counter import Counter, republish_all
    from services.registration.settings import Settings
    from shared.contract.registration import TOPIC
    from shared.messaging.republishing import SaidAgain, published

    async def republished() -> SaidAgain:
        async with Counter.open(Settings.load()) as counter:
            return SaidAgain(await republish_all(counter), await published(counter.pool, TOPIC))

    said = asyncio.run(republished())
    typer.echo(said.told, err=said.waiting > 0)
    raise typer.Exit(1 if said.waiting else 0)
