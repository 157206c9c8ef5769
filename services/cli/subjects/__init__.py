"""`steward subjects`: who is known by which address. Heavy imports stand where they are needed.

No address is shown anywhere: the keyring has digests alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from shared.runtime.confirming import confirm

app = typer.Typer(
    help="Who is known by which address: show, link, unlink, forget.",
    no_args_is_help=True,
    add_completion=False,
)
pepper = typer.Typer(help="The secret that addresses are digested with.", no_args_is_help=True)
app.add_typer(pepper, name="pepper")

Email = Annotated[
    str,
    typer.Argument(metavar="EMAIL|-", help="An address; - reads it from standard input."),
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


class LinkReason(StrEnum):
    """What happened that an address leads to somebody from now on."""

    CHANGED_ADDRESS = "changed-address"
    SHARED_ADDRESS = "shared-address"
    SAME_PERSON = "same-person"


class UnlinkReason(StrEnum):
    """What happened that an address leads to somebody no longer."""

    ADDRESS_GIVEN_UP = "address-given-up"
    LINKED_BY_MISTAKE = "linked-by-mistake"
    ENTERED_BY_MISTAKE = "entered-by-mistake"


@app.callback()
def subjects() -> None:
    """Who is known by which address: show, link, unlink, forget."""


@app.command()
def show(email: Email, json: Json = False) -> None:
    """Show in which ways a person is known: kinds and dates, the values are kept nowhere. Several
    people may have one address: each is shown, and who shares it.

    Exit code 1: nobody is known by this address.

    Example: echo maija@example.org | steward subjects show -
    """
    from services.cli.subjects.people import run_show

    raise typer.Exit(run_show(email, as_json=json))


@app.command()
def link(
    email: Email,
    to: Annotated[
        str,
        typer.Option(
            metavar="EMAIL|ID|-",
            help="An address of the person, or the id of the data subject; - reads the next line.",
        ),
    ],
    reason: Annotated[
        LinkReason,
        typer.Option(
            help="changed-address: the person has this address now. shared-address: two people"
            " have it; it goes on leading to the first. same-person: both addresses are one"
            " person's, who was taken for two."
        ),
    ],
    of: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL|ID|-",
            help="Of several who have the address, the one who is the same person: by an address"
            " that only this one has, or by the id; - reads the next line.",
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Let an address lead to a person from now on. It is recorded, without the address.

    What is already sealed stays where it is; `steward audit about` and `steward keys destroy` take
    both subjects of a same person. That cannot be undone, so it is asked for.

    Exit code 1: nobody is known by the other address, or this one is another person's, or one of
    the two is erased, or the answer was no. 2: several people have the other address; or several
    could be the same person, who are told, and --of has to name one of them; or wrong arguments.

    Example: steward subjects link new@example.org --to old@example.org --reason changed-address
    """
    from services.cli.subjects.people import run_link

    raise typer.Exit(run_link(email, to, of, reason.value, yes=yes))


@app.command()
def unlink(
    email: Email,
    reason: Annotated[UnlinkReason, typer.Option(help="Why it does not lead there any longer.")],
    of: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL|ID|-",
            help="Of several who have it, the one who is known by this address as well, or by the"
            " id of the data subject; - reads the next line.",
        ),
    ] = None,
) -> None:
    """Let an address lead to a person no longer. It is recorded, without the address.

    Whoever comes with it next is the next who shares it, or somebody new.

    Exit code 1: it did not lead there. 2: several people have the address, who are told, and --of
    has to name one of them by the id; or wrong arguments.

    Example: steward subjects unlink old@example.org --reason address-given-up
    """
    from services.cli.subjects.people import run_unlink

    raise typer.Exit(run_unlink(email, of, reason.value))


@app.command()
def forget(yes: Yes = False) -> None:
    """Delete the addresses of those erased so long ago that the log need not tell of them any more.

    How long that is, the plan says (`accountability`). Until then the audit service can tell an
    erased person what was disclosed; afterwards nothing leads to them, and there is no way back.
    The retention service does it by itself; this does it now.

    Example: steward subjects forget
    """
    from services.cli.subjects.forgetting import run_forget

    if not yes:
        confirm("Nothing will lead to people whose accountability period is over. Go on?")
    raise typer.Exit(run_forget())


@pepper.callback()
def pepper_group() -> None:
    """The secret that addresses are digested with."""


@pepper.command("new")
def pepper_new() -> None:
    """Make the next pepper. The older ones stay: whoever is met is digested under the newest.

    Running services take it at their next start. Copy it to every machine that has the folder, stop
    all services, and start them: one that knew the older pepper alone would take people for new.

    Example: steward subjects pepper new
    """
    from services.cli.subjects.forgetting import run_new_pepper

    raise typer.Exit(run_new_pepper())
