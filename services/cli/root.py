"""The commands of `steward`: its own here, those of the services loaded when they are called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from services.cli.lazy import Lazy, lazy_group

_ELSEWHERE = {
    "send": Lazy(
        "services.cli.send", "Publish CloudEvents from a file to the inbound topics.", True
    ),
    "registration": Lazy(
        "services.registration.commands", "Events, registrations, disclosures.", True
    ),
    "audit": Lazy(
        "services.audit.commands", "The log of disclosures: replay it, ask about a person.", True
    ),
    "consent": Lazy("services.consent.commands", "What a person agreed to.", True),
    "finance": Lazy("services.finance.commands", "Invoices for events with a fee.", True),
    "retention": Lazy("services.retention.commands", "What is due for erasure, and when.", True),
    "subjects": Lazy(
        "services.cli.subjects", "Who is known by which address: show, link, unlink, forget.", True
    ),
    "keys": Lazy("services.cli.keys", "The keys of the ring: destroy, rotate, check.", True),
    "disclosures": Lazy(
        "services.cli.disclosures",
        "What was disclosed and is not delivered: list, resume, discard.",
        True,
    ),
    "dead-letters": Lazy(
        "services.cli.dead_letters",
        "What could not be processed: list, show, redrive, discard.",
        True,
    ),
    "positions": Lazy(
        "services.cli.positions", "Where each service reads on; let a partition go on.", True
    ),
    "plan": Lazy("services.cli.plan", "The information management plan: check it, write it up."),
    "contract": Lazy("services.cli.contract", "The messages between services, as AsyncAPI."),
    "demo": Lazy("services.cli.demo", "Run one realistic day through the whole system."),
}

app = typer.Typer(
    cls=lazy_group(_ELSEWHERE),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Drawing this help with Rich would take as long as all the rest of it.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _port(about: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        min=1, max=65_535, metavar="PORT", help=f"{about} or the next free one."
    )
    return option


KafkaPort = Annotated[int | None, _port("Kafka's; else 9092")]
PostgresPort = Annotated[int | None, _port("PostgreSQL's; else 5432")]
HttpPort = Annotated[int | None, _port("The first service's, the others follow; else 8701")]
Brokers = Annotated[
    int | None,
    typer.Option(
        min=1, max=9, metavar="NUMBER", help="Of Kafka; else as many as there were, or one."
    ),
]
Replicas = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PROCESS=NUMBER",
        help="So many of a service, or of consent-urgent, which share its work; may be repeated.",
    ),
]


@app.callback()
def steward() -> None:
    """Use personal data only as the privacy notice promises.

    Start with `steward up`, then `steward send examples/day.jsonl`.
    """


@app.command()
def up(
    detach: Annotated[
        bool,
        typer.Option(
            "--detach", "-d", help="Return when all is ready; exit code 1: something is not."
        ),
    ] = False,
    kafka_port: KafkaPort = None,
    postgres_port: PostgresPort = None,
    http_port: HttpPort = None,
    brokers: Brokers = None,
    replicas: Replicas = None,
) -> None:
    """Start Kafka, PostgreSQL and every service; stay until Ctrl-C.

    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name servers that exist; then none is started.

    Examples: steward up · steward up --detach --brokers 3 --replicas registration=2
    """
    from services.cli.system import Ports
    from services.cli.up import Asked, run_detached, run_here

    asked = Asked(Ports(kafka_port, postgres_port, http_port), brokers, tuple(replicas or ()))
    raise typer.Exit(run_detached(asked) if detach else run_here(asked))


@app.command()
def down(
    remove_everything: Annotated[
        bool,
        typer.Option(
            "--remove-everything",
            help="Then remove the home folder: data, secrets, logs. There is no way back. What lies"
            " elsewhere, on given servers too, is named, and stays.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before removing.")] = False,
) -> None:
    """Stop what `steward up` started, also what a killed one left.

    Examples: steward down · steward down --remove-everything
    """
    from services.cli.down import ask_to_remove, remove, see_that_it_may_go, stop

    if remove_everything:
        # First: a system that is not to be removed then is not to be stopped either.
        see_that_it_may_go()
        if not yes:
            ask_to_remove()
    code = stop()
    if remove_everything and code == 0:
        remove()
    raise typer.Exit(code)


@app.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="For programs; with --watch a document a line.")
    ] = False,
    targets: Annotated[
        bool, typer.Option("--targets", help="Only where Prometheus finds each process, as JSON.")
    ] = False,
) -> None:
    """Show every service with its figures, and every process, its port, and whether it is ready.

    The exit code is 0 when all are, 1 when one is not or nothing runs; with --watch it is 0.

    Examples: steward status · steward status --watch · steward status --json
    """
    from services.cli.status import print_targets, show
    from services.cli.status import watch as go_on

    if targets:
        raise typer.Exit(print_targets())
    raise typer.Exit(go_on(as_json=json) if watch else show(as_json=json))


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A service, kafka, postgres or another process.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")
    ] = 100,
) -> None:
    """Print the log of one process.

    Example: steward logs registration --follow
    """
    from services.cli.log_files import print_log

    print_log(service, lines=lines, follow=follow)


@app.command()
def run(
    service: Annotated[
        str, typer.Argument(help="registration, audit, consent, finance or retention.")
    ],
) -> None:
    """Run one service in the foreground.

    Its settings come from the environment, or from the system that runs here.

    Example: KAFKA_BOOTSTRAP_SERVERS=… DATABASE_URL=… steward run registration
    """
    from services.cli.environment import use_running_system
    from services.cli.run import run_service

    use_running_system()
    run_service(service)


@app.command()
def init() -> None:
    """Make the folder of secrets. Safe to repeat.

    It holds keys, peppers and passwords, and nobody else can read it.

    Example: steward init
    """
    from services.cli.environment import secrets_path
    from shared.runtime.secrets import SecretsFolder

    folder = SecretsFolder(secrets_path())
    folder.create()
    typer.echo(
        f"secrets are in {folder.path}; back them up: without them no personal data can be read"
    )


@app.command()
def migrate() -> None:
    """Make or bring up to date roles, schemas, tables and topics. Safe to repeat.

    Servers are those of the environment, or of the system that runs here. A DATABASE_URL that is
    given is the administrator's.

    Examples: steward migrate ·
    KAFKA_BOOTSTRAP_SERVERS=… DATABASE_URL=postgresql://admin:…@host/db steward migrate
    """
    from services.cli.environment import use_running_system
    from services.cli.run import run_migration

    use_running_system()
    run_migration()


def run_command_line() -> None:
    """Run what the command line asks for. Wrong arguments exit with 2, any failure with 1."""
    try:
        app(prog_name="steward")
    except Exception as error:  # noqa: BLE001 - the outermost frame: whatever it is, it is told here
        from services.cli.failures import sentence

        sys.stderr.write(f"steward: {sentence(error)}\n")
        sys.exit(1)
