"""What `steward audit` has for the rights of people: who was told of them, and who lost it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="For programs, instead of --format.")]


class Format(StrEnum):
    """How a document is written."""

    TEXT = "text"
    HTML = "html"


class Language(StrEnum):
    """In which language somebody is answered."""

    FI = "fi"
    EN = "en"
    SV = "sv"


DocumentFormat = Annotated[
    Format, typer.Option("--format", help="HTML is a page to print or to keep as PDF.")
]


def about(
    person: Annotated[
        str,
        typer.Argument(
            metavar="EMAIL|-|SUBJECT",
            help="Whose history; - reads the e-mail address from standard input.",
        ),
    ],
    since: Annotated[
        str | None, typer.Option(help="From this moment or day on, as ISO 8601 writes it.")
    ] = None,
    language: Annotated[Language, typer.Option("--language", help="The person's.")] = Language.EN,
    format_: DocumentFormat = Format.TEXT,
    json: AsJson = False,
) -> None:
    """Show everything that the log says of one person: what was disclosed, to whom, why, when.

    It is the list of recipients that article 15(1)(c) gives a right to, with what was refused, and
    when data was read; names of staff are withheld. Exit code 1 where nothing is recorded.

    Examples: echo maija@example.org | steward audit about - ·
    echo maija@example.org | steward audit about - --language fi --format html > vastaus.html
    """
    from services.audit.commands.about import Request, run_about

    written_as = "json" if json else format_.value
    raise typer.Exit(run_about(Request(person, since, language.value, written_as)))


def breach(
    recipient: Annotated[str, typer.Option(help="Who lost it, as plan and log name them.")],
    since: Annotated[
        str, typer.Option(help="What was handed over from this moment or day on, as ISO 8601.")
    ],
    until: Annotated[str, typer.Option(help="Before this moment, or up to the end of this day.")],
    known_at: Annotated[
        str | None,
        typer.Option(metavar="MOMENT", help="When we came to know of it, else now."),
    ] = None,
    format_: DocumentFormat = Format.TEXT,
    json: AsJson = False,
) -> None:
    """Show who is affected where a recipient lost data, whom to notify, and until when.

    Articles 33 and 34: who and how many, which categories, the 72 hours for the notification. JSON
    has every subject. Exit code 1 where nobody is affected.

    Example: steward audit breach --recipient caterer --since 2026-09-01 --until 2026-10-31
    --known-at 2026-11-24T09:00
    """
    from services.audit.commands.breach import Request, run_breach

    written_as = "json" if json else format_.value
    raise typer.Exit(run_breach(Request(recipient, since, until, known_at, written_as)))


def add_commands(app: typer.Typer) -> None:
    """Let the command group have these too."""
    for command in (about, breach):
        app.command()(command)
