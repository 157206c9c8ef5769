"""`steward contract`: what upstream systems and readers of facts need to know."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The contracts of all messages.", no_args_is_help=True, add_completion=False)


@app.callback()
def contract() -> None:
    """The contracts of all messages."""


@app.command()
def asyncapi(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write; standard output where none is named."),
    ] = None,
) -> None:
    """Write an AsyncAPI 3 document (JSON) of every topic, message and service."""
    import orjson

    from shared.contract.asyncapi import document

    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    written = orjson.dumps(document(_version()), option=options)
    if output is None:
        typer.echo(written.decode(), nl=False)
        return
    try:
        output.write_bytes(written)
    except OSError as error:
        typer.echo(f"{output} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(1) from None


def _version() -> str:
    try:
        return version("steward")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
