"""`steward keys`: the keys of the ring. Heavy imports stand where they are needed."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import typer

KeptByLaw = Literal["keep", "destroy"]

app = typer.Typer(
    help="The keys of the ring: destroy, rotate, check.", no_args_is_help=True, add_completion=False
)


@app.callback()
def keys() -> None:
    """The keys of the ring: destroy, rotate, check."""


@app.command()
def destroy(
    email: Annotated[
        str | None,
        typer.Option(metavar="EMAIL|-", help="Of this person; - reads it from standard input."),
    ] = None,
    subject: Annotated[
        UUID | None,
        typer.Option(metavar="ID", help="Of this data subject: of several who have the address."),
    ] = None,
    event: Annotated[UUID | None, typer.Option(metavar="ID", help="Of this event.")] = None,
    retention_class: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", help="Of this retention class of the plan."),
    ] = None,
    kept_by_law: Annotated[
        KeptByLaw | None,
        typer.Option(help="Whether what a law has kept stays, as names of buyers in the books."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs; needs --yes.")] = False,
) -> None:
    """Destroy keys: what they sealed is unreadable everywhere. There is no way back.

    Several options narrow it down: of this person, at this event, of this class. A class alone is
    refused: it is everybody's, also what is not due yet, for which there is `steward keys
    destroy-due`. Facts from before this moment that still come add nothing. It is recorded in the
    audit log. Of whom a law has something kept is erased by itself once that is gone.

    Exit code 1: nobody is known by the address or id, or the answer was no, or it took so long that
    others are meant by now, or a law has something kept. 2: several people have the address, who
    are told, and --subject has to name one of them; or a law has some of it kept, which is told,
    and --kept-by-law has to say what becomes of that; or wrong arguments.

    Examples: steward keys destroy --event 6f1c9c1e-4a43-4a55-9f5c-0a3f4d1f2b11 ·
    echo maija@example.org | steward keys destroy --email - --kept-by-law keep --yes
    """
    from services.cli.keys.destroying import Asked, run_destroy

    asked = Asked(email, subject, event, retention_class, kept_by_law)
    raise typer.Exit(run_destroy(asked, yes=yes, as_json=json))


@app.command()
def destroy_due(
    on: Annotated[
        str,
        typer.Option(metavar="DATE", help="A day, as 2027-01-31. Today only from 12:00 UTC on."),
    ],
    retention_class: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", help="Of this retention class of the plan alone."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs; needs --yes.")] = False,
) -> None:
    """Destroy the keys of what may be kept no longer on a day, and of nothing else.

    That is what `steward retention due` lists: what is destroyed is not listed any more. What a law
    has kept stays until it is due too. It is recorded in the audit log. Safe to repeat. The day
    has to have begun everywhere: events end on the day of their own time zone.

    Exit code 1: the answer was no, or nobody knows yet what is due: the schedule does not follow
    the plan in force, or a service has not read and passed on all that was said. They have to run.
    Or services use those keys, and did so whenever it was tried again.

    Examples: steward keys destroy-due --on 2027-01-31 ·
    steward keys destroy-due --on 2027-01-31 --class marketing --yes
    """
    from services.cli.keys.destroying_due import run_destroy_due

    raise typer.Exit(run_destroy_due(on, retention_class, yes=yes, as_json=json))


@app.command()
def rotate(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs; needs --yes.")] = False,
) -> None:
    """Wrap every key of the ring by another key-encryption key, while services run.

    Where key-encryption keys are in the folder of secrets, the next one is made there; else the
    newest that is at hand is taken. May be stopped at any time: run again, it goes on where it was.
    In the end it is recorded in the audit log, and the file of the old one is put aside.

    DATABASE_URL is the administrator's, as for `steward migrate`.

    Exit code 1: nothing changed, which it says. The answer was no, or there is no newer one, or the
    work of a service did not come to its end. Or keys were altered in the database, which are told:
    all others are wrapped anew. With any other sentence it broke off: run it again.

    Examples: steward keys rotate · steward keys rotate --yes --json
    """
    from services.cli.keys.rotating import run_rotate

    raise typer.Exit(run_rotate(yes=yes, as_json=json))


@app.command()
def check(
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Try to open every sealed value of every service: nothing of what is in them is shown.

    A value whose key is recorded as destroyed counts as such. Each column is looked at as it is at
    one moment; services go on. What cannot be opened is told by column, by reason and with the ids
    of the first keys.

    DATABASE_URL is the administrator's, as for `steward migrate`.

    Exit code 1: something cannot be opened.

    Examples: steward keys check · steward keys check --json
    """
    from services.cli.keys.checking import run_check

    raise typer.Exit(run_check(as_json=json))
