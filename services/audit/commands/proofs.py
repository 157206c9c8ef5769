"""What `steward audit` has for whoever verifies the log. Heavy imports stand where needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PublicKey = Annotated[
    str | None,
    typer.Option(
        metavar="KEY|FILE", help="What `steward audit key` printed; else the key of the secrets."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def verify(
    from_folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Verify a published folder by itself.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Verify what a server serves of a log (C2SP tlog-tiles).")
    ] = None,
    public_key: PublicKey = None,
    json: AsJson = False,
) -> None:
    """Verify the log wholly: every entry, every signature, and that all copies of it agree.

    Without an option it is the database, with the published folder and the topic. With a folder or
    URL and --public-key neither database nor Kafka nor any setting is needed. Exit code 1:
    something is wrong; each finding says where, at which entry, and how.

    Examples: steward audit verify · steward audit verify --from-folder /mnt/audit --public-key KEY
    """
    from services.audit.commands.verify import Request, run_verify

    raise typer.Exit(run_verify(Request(from_folder, url, public_key, json)))


def prove(
    sequence: Annotated[int, typer.Argument(metavar="SEQ", min=0, help="The entry's number.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Else entry-SEQ.tlog-proof.")
    ] = None,
) -> None:
    """Write a proof that an entry is in the log: C2SP tlog-proof, with the entry itself.

    Made from the published folder; `steward audit check-proof` checks it anywhere.

    Example: steward audit prove 1500
    """
    from services.audit.commands.prove import run_prove

    raise typer.Exit(run_prove(sequence, output or Path(f"entry-{sequence}.tlog-proof")))


def check_proof(
    file: Annotated[Path, typer.Argument(help="What `steward audit prove` wrote.")],
    public_key: Annotated[
        str,
        typer.Option(metavar="KEY|FILE", help="What `steward audit key` printed, got otherwise."),
    ],
    witness_key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY|FILE", help="A witness that has to have cosigned; repeatable."),
    ] = None,
) -> None:
    """Check a proof, and print the entry that it proves. Needs neither database nor Kafka.

    Exit code 1 where it proves nothing.

    Example: steward audit check-proof entry-1500.tlog-proof --public-key KEY
    """
    from services.audit.commands.prove import run_check_proof

    raise typer.Exit(run_check_proof(file, public_key, witness_key or []))


def witness(
    log_key: Annotated[
        list[str],
        typer.Option(metavar="KEY|FILE", help="A log that is witnessed here; repeatable."),
    ],
    folder: Annotated[Path, typer.Option(help="What it keeps: its key, and what it has signed.")],
    name: Annotated[
        str, typer.Option(help="Under which it signs: a URL without scheme.")
    ] = "localhost/witness",
    host: Annotated[str, typer.Option(help="The address that it listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free one.")] = 8790,
) -> None:
    """Run a witness (C2SP tlog-witness), elsewhere: by somebody who does not administer the log.

    It cosigns a checkpoint only if what it cosigned before is its beginning. It needs neither
    database nor Kafka. Its folder must not be lost or put back; nobody else may read it.

    Example: steward audit witness --log-key KEY --folder /var/lib/witness --name w.example.org
    """
    from services.audit.commands.witness import Asked, run_witness

    raise typer.Exit(run_witness(Asked(log_key, folder, name, host, port)))


def console(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free one.")] = 8795,
    host: Annotated[
        str, typer.Option(help="A loopback address; any other one is refused.")
    ] = "127.0.0.1",
) -> None:
    """Serve the web console, which shows the log and changes nothing, until Ctrl-C.

    It listens on this machine alone. The address that it prints has a token in it: whoever opens
    that in a browser may read. From elsewhere: ssh -L 8795:127.0.0.1:8795 HOST.

    Example: steward audit console --port 8795
    """
    from services.audit.commands.console import Asked, run_console

    raise typer.Exit(run_console(Asked(host, port)))


def rebuild(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make the log anew from the topic `audit`, and keep it if it is the one that was published.

    DATABASE_URL has to be the administrator's. Exit code 1: the log is as it was, and what differs
    is told. Afterwards the service goes on by itself.

    Example: DATABASE_URL=postgresql://admin:…@host/db steward audit rebuild
    """
    from services.audit.commands.rebuild import run_rebuild

    raise typer.Exit(run_rebuild(confirmed=yes))


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is made, or empty.")],
    since: Annotated[
        str | None, typer.Option(help="From this moment or day on, as ISO 8601 writes it.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Before this moment, or up to the end of this day.")
    ] = None,
) -> None:
    """Write entries of a span as JSON lines, with the checkpoint and a proof of each.

    Entries that no published checkpoint has yet are left out. Exit code 1: nothing is of that span,
    or it broke off, as at an entry that is not what was published; there is no checkpoint then.

    Example: steward audit export --since 2026-11-01 --until 2026-11-30 november
    """
    from services.audit.commands.export import run_export

    raise typer.Exit(run_export(folder, since, until))


def add_commands(app: typer.Typer) -> None:
    """Let the command group have these too."""
    for command in (verify, prove, check_proof, witness, console, rebuild, export):
        app.command()(command)
