"""`steward send`: CloudEvents from a file, or from a pipe, to the inbound topics."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

if TYPE_CHECKING:
    from services.cli.publishing import Report
    from shared.runtime.cluster import Cluster

SHOWN = 20
"""Refused lines that are printed one by one."""

app = typer.Typer(add_completion=False)

File = Annotated[
    Path,
    typer.Argument(
        dir_okay=False,
        allow_dash=True,
        help="JSON lines: CloudEvents in structured mode, or whole records; - for standard input.",
    ),
]
Servers = Annotated[
    str,
    typer.Option(
        envvar="KAFKA_BOOTSTRAP_SERVERS",
        help="Kafka's address, as host:port; else the system that `steward up` runs.",
        show_default=False,
    ),
]


@app.command()
def send(
    file: File,
    bootstrap_servers: Servers = "",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Send nothing when any line cannot be sent; what is piped is held in memory.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Publish messages to the inbound topics, in the order of the file.

    A line that leads to no topic is refused with its number and the exit code is 1; everything
    else is sent as it stands, also what the services will refuse.
    """
    if not bootstrap_servers:
        typer.echo(
            "No Kafka to send to: start one with `steward up`, or set KAFKA_BOOTSTRAP_SERVERS or"
            " --bootstrap-servers to host:port.",
            err=True,
        )
        raise typer.Exit(2)
    cluster = _cluster(bootstrap_servers)
    with ExitStack() as stack:
        lines, size = _open(file, stack, rewind=strict)
        if strict:
            _refuse_if_any(lines, as_json)
        report = _publish(lines, size, cluster)
    _show(report, as_json)
    raise typer.Exit(1 if report.refused else 0)


def _open(file: Path, stack: ExitStack, *, rewind: bool) -> tuple[BinaryIO, int | None]:
    """The lines, and their size in bytes where it is known."""
    if str(file) == "-":
        lines, size = sys.stdin.buffer, None
    else:
        lines, size = _open_file(file, stack)
    if not rewind or size is not None:
        return lines, size
    import io

    # What is piped in can be read once only; it is personal data, and so it touches no disk.
    kept = io.BytesIO(lines.read())
    return kept, kept.getbuffer().nbytes


def _open_file(file: Path, stack: ExitStack) -> tuple[BinaryIO, int | None]:
    """A file may be a pipe too, as a shell's `<(…)` is: then its size is not known."""
    try:
        lines = stack.enter_context(file.open("rb"))
        return lines, file.stat().st_size if lines.seekable() else None
    except OSError as error:
        said = f"{file} cannot be read: {error.strerror}"
        raise typer.BadParameter(said, param_hint="FILE") from None


def _refuse_if_any(lines: BinaryIO, as_json: bool) -> None:
    from services.cli.publishing import check

    report = check(lines)
    if report.refused:
        _show(report, as_json)
        raise typer.Exit(1)
    lines.seek(0)


def _cluster(bootstrap_servers: str) -> Cluster:
    """How to connect stands in the environment. Raises SettingsError."""
    from shared.runtime.settings import KafkaSettings

    return KafkaSettings.load({**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}).cluster


def _publish(lines: BinaryIO, size: int | None, cluster: Cluster) -> Report:
    import asyncio
    import logging

    from aiokafka.errors import KafkaError
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from services.cli.publishing import Report, publish

    # It would tell of each of its tries, ten a second; what became of them is told at the end.
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())
    console = Console(stderr=True)
    columns = (TextColumn("sending"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    report = Report()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("sending", total=size)
        try:
            asyncio.run(publish(lines, cluster, report, lambda done: bar.advance(task, done)))
        except KafkaError as error:
            name = type(error).__name__
            typer.echo(
                f"Kafka at {cluster.bootstrap_servers} did not take the messages ({name}), but for"
                f" {report.sent.total()} that it acknowledged before. Is it there, and are the"
                " topics made (`steward up` or `steward migrate`)?",
                err=True,
            )
            raise typer.Exit(1) from None
    return report


def _show(report: Report, as_json: bool) -> None:
    if as_json:
        import orjson

        summary = {
            "sent": report.sent.total(),
            "topics": dict(sorted(report.sent.items())),
            "refused": report.refused,
            "lines": [{"line": number, "reason": reason} for number, reason in report.reasons],
        }
        typer.echo(orjson.dumps(summary).decode())
        return
    for number, reason in report.reasons[:SHOWN]:
        typer.echo(f"line {number}: {reason}", err=True)
    if report.refused > SHOWN:
        typer.echo(f"… and {report.refused - SHOWN} more lines", err=True)
    for topic, messages in sorted(report.sent.items()):
        typer.echo(f"{topic}: {messages} sent")
    if report.refused:
        typer.echo(f"{report.refused} lines were refused", err=True)
