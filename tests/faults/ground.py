"""Kafka and Postgres for one world, with nothing in them but what a migration makes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.cli.migration import migrate_everything
from shared.local.kafka import LocalKafka
from shared.local.ports import HOST, choose_port
from shared.local.postgres import LocalPostgres
from shared.local.postgres_folder import remove_data
from shared.local.process import Process
from shared.runtime.cluster import Cluster
from shared.runtime.database import without_credentials
from shared.runtime.secrets import SecretsFolder
from tests.faults.disks import SmallDisk
from tests.faults.servers import Server
from tests.support.proxy import Proxy

PLAN = Path(__file__).parents[2] / "plan.toml"

# A member that was killed is missed after the session time-out: Kafka's own lower bound for it
# would make every kill cost six seconds. What is too old is looked for every five minutes.
_SHORT_TIMES = "group.min.session.timeout.ms=1000\nlog.retention.check.interval.ms=1000\n"


@dataclass(frozen=True)
class Ground:
    """Servers that run. `database_url` is the administrator's."""

    folder: Path
    brokers: tuple[Server, ...]
    postgres: Server
    bootstrap_servers: str
    database_url: str
    secrets: SecretsFolder
    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    """Between services and `kafka` or `postgres`, where the network is to be injured."""

    disks: Mapping[str, SmallDisk] = field(default_factory=dict)
    """Of `kafka` (its log) and `postgres` (`pg_wal`), where they are to be filled."""

    @property
    def kafka(self) -> Server:
        """The only broker. ValueError where there are several."""
        (broker,) = self.brokers
        return broker

    @property
    def environ(self) -> dict[str, str]:
        """What a service needs to find them."""
        kafka, database = self.bootstrap_servers, without_credentials(self.database_url)
        if self.proxies:
            kafka = f"{HOST}:{self.proxies['kafka'].port}"
            proxy = self.proxies["postgres"]
            database = database.replace(f":{proxy.target}/", f":{proxy.port}/")
        return {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL": database,
            "STEWARD_SECRETS": str(self.secrets.path),
            "STEWARD_PLAN": str(PLAN),
            # Injuries are to meet the log while it is signed and published, not only appended to.
            "STEWARD_AUDIT_CHECKPOINT_S": "0.2",
        }


@asynccontextmanager
async def open_ground(
    *,
    proxied: bool = False,
    brokers: int = 1,
    small_disks: bool = False,
    properties: str = "",
) -> AsyncIterator[Ground]:
    """Start both, migrate; stop both, and remove everything, at the end.

    `proxied`: services reach both through proxies, and we ourselves do not. `small_disks`: both
    write onto disks that can be filled. Either with one broker only. `properties`: lines that are
    added to those of Kafka.
    """
    folder = _own_folder()
    secrets = SecretsFolder(folder / "secrets")
    secrets.create()
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(remove_data, folder / "postgres")
        kafka = LocalKafka(folder / "kafka", brokers=brokers)
        postgres = LocalPostgres(folder / "postgres")
        nodes, (database,) = await asyncio.gather(kafka.prepare(), postgres.prepare())
        bootstrap_servers = kafka.bootstrap_servers
        for node in nodes:
            _configure(node, _SHORT_TIMES + properties)
        disks: dict[str, SmallDisk] = {}
        if small_disks:
            written = {
                "kafka": kafka.folder / "data",
                "postgres": (postgres.folder / "data").resolve() / "pg_wal",
            }
            for name, place in written.items():
                disks[name] = _small_disk(folder / f"disk-{name}", place, stack)
        proxies: dict[str, Proxy] = {}
        if proxied:
            proxies = {"kafka": _proxy(kafka.port), "postgres": _proxy(postgres.port)}
            for proxy in proxies.values():
                await proxy.open()
                stack.push_async_callback(proxy.close)
            (node,) = nodes
            bootstrap_servers = _advertise(node, proxies["kafka"])
        servers = [Server(one, folder / "logs" / f"{one.name}.log") for one in (*nodes, database)]
        for server in servers:
            stack.push_async_callback(server.stop)
        await asyncio.gather(*(server.start() for server in servers))
        await migrate_everything(postgres.url, Cluster(bootstrap_servers), secrets, PLAN)
        running, last = tuple(servers[:-1]), servers[-1]
        yield Ground(
            folder, running, last, bootstrap_servers, postgres.url, secrets, proxies, disks
        )


def _small_disk(mount_point: Path, place: Path, stack: AsyncExitStack) -> SmallDisk:
    disk = SmallDisk(mount_point)
    disk.mount()
    stack.callback(disk.unmount)
    disk.take(place)
    return disk


def _proxy(target: int) -> Proxy:
    return Proxy(choose_port(None, option="--http-port"), target)


def _advertise(kafka: Process, proxy: Proxy) -> str:
    """Have Kafka name the proxy to clients, and listen for us on a port of its own; that one."""
    ours = choose_port(None, option="--kafka-port")
    properties = Path(kafka.argv[-1]).read_text("utf-8").splitlines()
    listeners = next(line for line in properties if line.startswith("listeners="))
    _configure(
        kafka,
        f"{listeners},DIRECT://{HOST}:{ours}\n"
        f"advertised.listeners=PLAINTEXT://{HOST}:{proxy.port},DIRECT://{HOST}:{ours}\n"
        "listener.security.protocol.map="
        "PLAINTEXT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        "inter.broker.listener.name=DIRECT\n",
    )
    return f"{HOST}:{ours}"


def _own_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="steward-faults-"))
    folder.chmod(0o711)  # Postgres does not run as root, and looks below
    (folder / "logs").mkdir()
    return folder


def _configure(kafka: Process, settings: str) -> None:
    """Add to the properties that Kafka is started with: of two lines the later one holds."""
    with Path(kafka.argv[-1]).open("a", encoding="utf-8") as properties:
        properties.write(settings)
