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


def add_commands(app: typer.Typer) -> None:
    """Let the command group have these too."""
    for command in (about,):
        app.command()(command)
