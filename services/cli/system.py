"""The whole of Steward on this machine: servers, migration, every service as its own process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from services.cli.environment import ADDRESSES, KAFKA_SECURITY, SERVERS
from services.cli.migration import (
    loud_services,
    migrate_everything,
    refuse_other_secrets,
    warning_of,
)
from services.cli.processes import PROCESSES, ProcessSpec, replica_name
from services.cli.schemas import SERVICES
from shared.local import administrator
from shared.local import kafka as local_kafka
from shared.local import postgres as local_postgres
from shared.local.errors import NotReadyError
from shared.local.ports import HOST, choose_port
from shared.local.process import Process
from shared.local.readiness import missing_from_service
from shared.local.supervisor import Supervisor
from shared.runtime.cluster import Cluster
from shared.runtime.database import without_credentials
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import KafkaSettings, ServiceSettings, SettingsError, TopicSettings

FIRST_HTTP_PORT = 8701
_GIVEN_SERVER_WITHIN_S = 30.0


@dataclass(frozen=True)
class Ports:
    """Ports that were asked for; None takes the usual one or the next that is free."""

    kafka: int | None = None
    postgres: int | None = None
    http: int | None = None
    """The first service's; the others have the following ones."""

    any_free: bool = False
    """No usual ports: for tests and demonstrations beside a system that runs."""


@dataclass(frozen=True)
class Options:
    """What a system is started with. `environ` may name servers that exist."""

    home: Path
    plan: Path = Path("plan.toml")
    secrets: Path | None = None
    services: Sequence[str] = SERVICES
    replicas: Mapping[str, int] = field(default_factory=dict)
    """How many processes there are of each; one where it is not named."""
    ports: Ports = Ports()
    brokers: int | None = None
    """Of Kafka; None for as many as the data is of, or one."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    say: Callable[[str], None] = lambda _: None
    ready_within_s: float = 30.0
    """How long to wait for services; one that is not ready then stays and is named."""

    @property
    def run_folder(self) -> Path:
        return self.home / "run"

    @property
    def log_folder(self) -> Path:
        return self.home / "logs"

    @property
    def secrets_folder(self) -> SecretsFolder:
        return SecretsFolder((self.secrets or self.home / "secrets").absolute())

    @property
    def processes(self) -> dict[str, ProcessSpec]:
        """The names of all processes of services, and what each is."""
        return {
            replica_name(spec.name, number): spec
            for spec in PROCESSES
            if spec.service in self.services
            for number in range(1, self.replicas.get(spec.name, 1) + 1)
        }


@dataclass(frozen=True)
class System:
    """A system that runs. `database_url` is the administrator's, with the password.

    `not_ready` names the processes that were not ready in time and what is missing.
    """

    cluster: Cluster
    database_url: str
    secrets: SecretsFolder
    service_ports: Mapping[str, int]
    environment: Mapping[str, str]
    """What a service or a command needs to find this system; it holds no password."""
    not_ready: Mapping[str, str]
    supervisor: Supervisor

    def pid(self, name: str) -> int:
        """Of a process of a service, a broker (`kafka`, or `kafka-1` of several) or `postgres`, in
        its present life; KeyError between two lives.
        """
        return self.supervisor.pid(name)


@asynccontextmanager
async def running_system(options: Options) -> AsyncIterator[System]:
    """Start everything, in order; give the addresses; stop everything in reverse at the end.

    Raises LocalError (ports, packages, another system on the same folder), MigrationError,
    SecretsError, WrongKeyError, PlanError, SettingsError. Data below `home` of an earlier run is
    found again.
    """
    supervisor = Supervisor(options.run_folder, options.log_folder, say=options.say)
    async with supervisor:
        given = _given_addresses(options.environ)
        # First of all: whoever removes the folder after a start that failed is told of them.
        supervisor.note(addresses=given, given=tuple(given))
        options.secrets_folder.create()
        servers = await _servers(options, supervisor)
        await _migrate(options, servers)
        environment = _environment(options, servers)
        supervisor.note(
            addresses={name: environment[name] for name in ADDRESSES if name in environment}
        )
        ports = _service_ports(options)
        options.say(f"starting {', '.join(options.processes)}")
        processes = (
            _service(options, name, spec, ports[name], environment)
            for name, spec in options.processes.items()
        )
        not_ready = {**servers.not_ready, **await supervisor.start(*processes)}
        supervisor.note(phase="running", not_ready=not_ready)
        yield System(
            servers.cluster,
            servers.database_url,
            options.secrets_folder,
            ports,
            environment,
            not_ready,
            supervisor,
        )


@dataclass(frozen=True)
class _Servers:
    """Where they are. `replicas` of topics, None: as many as there are brokers, three at most."""

    cluster: Cluster
    database_url: str
    replicas: int | None
    not_ready: Mapping[str, str]


async def _migrate(options: Options, servers: _Servers) -> None:
    options.say("migrating")
    secrets = options.secrets_folder
    settings = ServiceSettings.load({**options.environ, **_environment(options, servers)})
    await refuse_other_secrets(servers.database_url, settings)
    await migrate_everything(
        servers.database_url,
        servers.cluster,
        secrets,
        options.plan,
        replication_factor=servers.replicas,
    )
    if warning := warning_of(await loud_services(servers.database_url, secrets)):
        options.say(f"warning: {warning}")


async def _servers(options: Options, supervisor: Supervisor) -> _Servers:
    """Given ones, or ours, started together. Of several brokers some may be away."""
    given_kafka = _given_kafka(options.environ)
    given_database = options.environ.get("DATABASE_URL")
    kafka, postgres = _local_kafka(options), _local_postgres(options)
    wanted = [
        server for server, given in ((kafka, given_kafka), (postgres, given_database)) if not given
    ]
    replicas = TopicSettings.load(options.environ).replication_factor
    not_ready: Mapping[str, str] = {}
    if wanted:
        options.say("starting Kafka and PostgreSQL" if len(wanted) == 2 else "starting a server")
        prepared = await asyncio.gather(*(server.prepare() for server in wanted))
        not_ready = await supervisor.start(*chain.from_iterable(prepared))
        if not_ready and not kafka.may_be_away(len(not_ready)):
            raise NotReadyError("; ".join(f"{name}: {why}" for name, why in not_ready.items()))
    await wait_for_given(options.environ)
    return _Servers(
        given_kafka or kafka.cluster,
        given_database or postgres.url,
        replicas if replicas or given_kafka else kafka.replicas,
        not_ready,
    )


def _given_kafka(environ: Mapping[str, str]) -> Cluster | None:
    """The Kafka that exists, and how to connect to it. Raises SettingsError."""
    if environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return KafkaSettings.load(environ).cluster
    if of_no_use := [name for name in KAFKA_SECURITY if environ.get(name)]:
        raise SettingsError(
            f"{of_no_use[0]} is for a Kafka that exists: set KAFKA_BOOTSTRAP_SERVERS as well, or"
            " unset it to have Kafka started here"
        )
    return None


def _local_kafka(options: Options) -> local_kafka.LocalKafka:
    return local_kafka.LocalKafka(
        options.home / "kafka",
        brokers=options.brokers,
        port=options.ports.kafka,
        preferred_port=None if options.ports.any_free else local_kafka.DEFAULT_PORT,
        # They are not on its disk, and the first of them is made when it is started.
        ran_before=any(options.log_folder.glob("kafka*.log")),
    )


def _local_postgres(options: Options) -> local_postgres.LocalPostgres:
    return local_postgres.LocalPostgres(
        options.home / "postgres",
        password_file=administrator.password_file(options.secrets_folder),
        port=options.ports.postgres,
        preferred_port=None if options.ports.any_free else local_postgres.DEFAULT_PORT,
    )


async def wait_for_given(environ: Mapping[str, str]) -> None:
    """Wait a while for servers that are named, and that somebody else starts. Raises NotReadyError,
    SettingsError.
    """
    if kafka := _given_kafka(environ):
        await _given(
            "Kafka", "KAFKA_BOOTSTRAP_SERVERS", lambda: local_kafka.missing_from_kafka(kafka)
        )
    if database := environ.get("DATABASE_URL"):
        await _given(
            "PostgreSQL", "DATABASE_URL", lambda: local_postgres.missing_from_postgres(database)
        )


async def _given(what: str, variable: str, missing: Callable[[], Awaitable[str | None]]) -> None:
    why: str | None = None
    try:
        async with asyncio.timeout(_GIVEN_SERVER_WITHIN_S):
            while True:
                why = await missing()
                if why is None:
                    return
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise NotReadyError(
            f"{what} cannot be used: {why}. Start it, correct {variable}, or unset the variable "
            f"to have {what} started here"
        ) from None


def _given_addresses(environ: Mapping[str, str]) -> dict[str, str]:
    """Of servers that exist, without user and password; none from which these cannot be told."""
    bare = {name: without_credentials(environ[name]) for name in SERVERS if environ.get(name)}
    return {name: address for name, address in bare.items() if "@" not in address}


def _environment(options: Options, servers: _Servers) -> dict[str, str]:
    given = options.environ
    return {
        **{name: given[name] for name in KAFKA_SECURITY if name in given},
        "KAFKA_BOOTSTRAP_SERVERS": servers.cluster.bootstrap_servers,
        "DATABASE_URL": without_credentials(servers.database_url),
        "STEWARD_SECRETS": str(options.secrets_folder.path),
        "STEWARD_PLAN": str(options.plan.absolute()),
    }


def _service_ports(options: Options) -> dict[str, int]:
    """One for each process of a service. Asked for, they follow each other; else each is the next
    free one.
    """
    asked, taken = options.ports.http, set[int]()
    ports: dict[str, int] = {}
    for number, name in enumerate(options.processes):
        ports[name] = choose_port(
            asked + number if asked else None,
            preferred=None if options.ports.any_free else FIRST_HTTP_PORT,
            option="--http-port",
            taken=frozenset(taken),
        )
        taken.add(ports[name])
    return ports


def _service(
    options: Options, name: str, spec: ProcessSpec, port: int, environment: Mapping[str, str]
) -> Process:
    """A service as a process of its own. It stops by itself within 10 s, finishing its batch."""
    sources = str(Path(__file__).parents[2])
    inherited = options.environ.get("PYTHONPATH")
    return Process(
        name=name,
        argv=(sys.executable, "-m", "services.cli", "run", spec.service),
        env={
            "STEWARD_LOG_FORMAT": "json",
            **options.environ,
            **environment,
            **spec.environment,
            "STEWARD_HTTP_HOST": HOST,
            "STEWARD_HTTP_PORT": str(port),
            "PYTHONPATH": f"{sources}{os.pathsep}{inherited}" if inherited else sources,
        },
        ready=lambda: missing_from_service(port),
        ports={"http": port},
        required=False,
        stop_within_s=15.0,
        start_within_s=options.ready_within_s,
    )
