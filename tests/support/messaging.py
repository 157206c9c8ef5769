"""A service with one handler, on real Kafka or the substitute, that can be killed anywhere."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, ClassVar
from uuid import UUID, uuid5

import asyncpg
import orjson

from shared.contract.codec import Codec
from shared.contract.message import Message
from shared.contract.registry import MessageData, Registered, Registry
from shared.contract.types import Sealed
from shared.messaging.consumer import Consumer
from shared.messaging.processing import Tools
from shared.messaging.relay import Relay, relays
from shared.messaging.service import Service
from shared.messaging.steps import Step
from shared.messaging.subscription import Permanent, Subscription
from shared.messaging.told import Telling
from shared.messaging.tracing import Traces, untraced
from shared.messaging.unit_of_work import Transaction
from shared.runtime.application import Loop
from shared.runtime.database import Connection, Pool, open_pool
from shared.runtime.health import Heartbeats
from shared.runtime.settings import ServiceSettings
from tests.support.clusters import Cluster, Do, Sent

SCHEMA = "consent"
"""Any service's schema will do: the test brings its own table."""

NAMES = UUID("6a0d1a4c-5c52-4d9b-9f21-0f1f0a6f8f10")


class Told(MessageData):
    """What upstream sends in tests: a number, and how its handler is to behave."""

    number: int
    do: Do = "write"


class Urgent(MessageData):
    """Never waits behind an earlier message of its key."""

    number: int
    do: Do = "write"


class Boring(MessageData):
    """Known, and of no interest."""


class Written(MessageData):
    """The fact that is said of each message that was handled."""

    topic: ClassVar[str]
    number: int
    key: str


@dataclass(frozen=True)
class Types:
    """The types above, on topics of one test."""

    told: type[MessageData]
    urgent: type[MessageData]
    boring: type[MessageData]
    written: type[Written]
    registry: Registry

    @classmethod
    def on(cls, inbound: str, facts: str) -> Types:
        registry = Registry()

        def make(model: type[MessageData], topic: str) -> type[Any]:
            attributes = {"message_type": model.__name__, "version": 1, "topic": topic}
            kind = type(model.__name__, (model,), {"__module__": __name__, **attributes})
            registry.add(Registered(model.__name__, 1, topic, kind, {}))
            return kind

        return cls(
            make(Told, inbound),
            make(Urgent, inbound),
            make(Boring, inbound),
            make(Written, facts),
            registry,
        )


class PlainSealer:
    """Seals nothing, so that tests can look inside."""

    def reference(self, text: bytes) -> bytes:
        return hashlib.sha256(b"reference" + text).digest()

    async def seal_records(
        self, connection: Connection, day: date, bodies: Sequence[bytes]
    ) -> list[Sealed]:
        return [Sealed(b"sealed" + body) for body in bodies]

    async def open_records(
        self, connection: Connection, sealed: Sequence[Sealed]
    ) -> list[bytes | None]:
        return [body.removeprefix(b"sealed") for body in sealed]

    async def purge_record_keys(self, connection: Connection, today: date) -> int:
        return 0


class Crash(BaseException):
    """The process ends here."""


@dataclass
class CrashAt:
    """Ends the process at one step, the n-th time that it gets there; then it stays dead."""

    step: Step
    times: int = 1
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, step: Step) -> None:
        if self.happened.is_set():
            raise Crash
        if step == self.step:
            self.times -= 1
            if self.times == 0:
                self.happened.set()
                raise Crash

    async def came(self, times: int) -> None:
        """Until the step is to come only so often before the process ends, or less."""

        async def so_often() -> bool:
            return self.times <= times

        await until(so_often)


class Process:
    """Consumer and relays of one service, as one process runs them."""

    def __init__(self, world: World, tools: Tools, group: str) -> None:
        self.heartbeats = Heartbeats()
        self._stopping = asyncio.Event()
        transport = world.cluster.transport(world.service.settings)
        self.consumer = Consumer(
            world.service,
            transport,
            self.heartbeats,
            inbox_key=b"k" * 32,
            tools=tools,
            group=group,
        )
        self.relays: list[Relay] = relays(SCHEMA, world.service.settings, transport, tools.steps)
        self.telling = Telling(world.pool, [self.consumer])
        self._tasks = [
            asyncio.create_task(run(self._loop(name)))
            for name, run in (
                ("consumer", self.consumer.run),
                ("offsets", self.telling.run),
                *((f"relay {relay.lane}", relay.run) for relay in self.relays),
            )
        ]

    def _loop(self, name: str) -> Loop:
        self.heartbeats.expect(name, 30)
        return Loop(name, self.heartbeats, self._stopping)

    async def stop(self) -> None:
        """As SIGTERM does."""
        self._stopping.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def kill(self) -> None:
        """What it holds is rolled back, and nobody is told."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass
class World:
    """A service's schema, topics of its own, and any number of processes."""

    cluster: Cluster
    service: Service
    pool: Pool
    admin: Pool
    types: Types
    inbound: str
    facts: str
    before_handling: Callable[[Sequence[Message[Any]]], Awaitable[None]] | None = None
    """Called in each call of the handler; may raise or wait."""
    mended: bool = False
    """Whether what failed would not fail any more."""
    calls: list[list[int]] = field(default_factory=list)
    traces: Traces = untraced

    def tools(self, steps: Callable[[Step], None] | None = None) -> Tools:
        tools = Tools(decode=Codec(self.types.registry).decode, traces=self.traces)
        return tools if steps is None else replace(tools, steps=steps)

    @asynccontextmanager
    async def running(
        self, steps: Callable[[Step], None] | None = None, *, group: str | None = None
    ) -> AsyncIterator[Process]:
        process = Process(self, self.tools(steps), group or f"group-{self.inbound}")
        try:
            yield process
        finally:
            if isinstance(steps, CrashAt) and steps.happened.is_set():
                await process.kill()
            else:
                await process.stop()

    async def send(self, *messages: Sent) -> None:
        await self.cluster.send(self.inbound, messages)

    async def handle(self, tx: Transaction, messages: Sequence[Message[Any]]) -> None:
        self.calls.append([message.data.number for message in messages])
        if self.before_handling is not None:
            await self.before_handling(messages)
        written = []
        for message in messages:
            do = "write" if self.mended else message.data.do
            if do == "fail":
                raise Permanent("told_to_fail", "do says so")
            if do in ("mark", "stray"):
                holds_key = do == "mark"
                tx.dead_letter(message, "told_to_mark", "do says so", holds_key=holds_key)
                continue
            if do == "decline":
                tx.decline(message)
            if do == "wait":
                tx.wait(message)
            written.append(message)
        await tx.connection.executemany(
            "insert into effect (key, number) values ($1, $2)",
            [((one.record.key or b"").decode(), one.data.number) for one in written],
        )
        for one in written:
            key = (one.record.key or b"").decode()
            fact = self.types.written(number=one.data.number, key=key)
            tx.say(fact, key=uuid5(NAMES, key), because=one)
        if not self.mended and any(one.data.do == "fail_late" for one in written):
            raise Permanent("told_to_fail", "do says so")

    async def effects(self) -> dict[str, list[int]]:
        """Numbers by key, in the order in which they were written."""
        return _by_key(await self.admin.fetch("select key, number from effect order by id"))

    async def outcomes(self) -> dict[str, int]:
        """How many messages came to which outcome."""
        rows = await self.admin.fetch(
            "select outcome, sum(messages)::int as n from outcome_count group by outcome"
        )
        return {row["outcome"]: row["n"] for row in rows if row["n"]}

    async def dead_letters(self) -> list[dict[str, Any]]:
        rows = await self.admin.fetch(
            "select * from dead_letter order by topic, partition, record_offset"
        )
        return [dict(row) for row in rows]

    async def said(self) -> dict[str, list[int]]:
        """Numbers by key, as a reader of the facts who drops what it has seen has them."""
        seen: set[bytes] = set()
        read: dict[str, list[int]] = {}
        for record in await self.cluster.read(self.facts):
            identity = dict(record.headers)["ce_id"]
            if identity not in seen:
                seen.add(identity)
                data = orjson.loads(record.value)
                read.setdefault(data["key"], []).append(data["number"])
        return read

    async def taken(self, count: int) -> None:
        """Until so many messages have come to an outcome."""

        async def enough() -> bool:
            return sum((await self.outcomes()).values()) >= count

        await until(enough)

    async def published(self) -> None:
        """Until the outbox is empty."""

        async def empty() -> bool:
            return not await self.admin.fetchval("select count(*) from outbox")

        await until(empty)

    async def settled(self, count: int) -> None:
        """Until so many messages have come to an outcome, and what they led to is in Kafka."""
        await self.taken(count)
        await self.published()


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Wait for what only the database shows."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.01)


async def until_assigned(process: Process) -> None:
    """Until a process knows where it reads on."""

    async def some() -> bool:
        return bool(process.consumer.positions)

    await until(some)


@asynccontextmanager
async def open_world(
    cluster: Cluster, database: str, settings: ServiceSettings
) -> AsyncIterator[World]:
    inbound, facts = await cluster.topic("inbound"), await cluster.topic("facts")
    types = Types.on(inbound, facts)
    admin = await asyncpg.create_pool(
        database, min_size=1, max_size=4, server_settings={"search_path": SCHEMA}
    )
    await admin.execute(
        "truncate position, inbox, outcome_count, dead_letter, parked_key, outbox;"
        "drop table if exists effect;"
        "create table effect (id bigint generated always as identity, key text, number int);"
        f"grant select, insert on effect to steward_{SCHEMA}"
    )
    pool = await open_pool(settings, service=SCHEMA)
    world = World(cluster, None, pool, admin, types, inbound, facts)  # type: ignore[arg-type]
    subscription = Subscription(
        inbound,
        {types.told: world.handle, types.urgent: world.handle},
        ignored=frozenset({types.boring}),
        never_waits=frozenset({types.urgent}),
    )
    world.service = Service(
        SCHEMA, settings, pool, PlainSealer(), [subscription], topics=frozenset({facts})
    )
    try:
        yield world
    finally:
        await pool.close()
        await admin.close()


def _by_key(rows: Iterable[asyncpg.Record]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(row["key"], []).append(row["number"])
    return found
