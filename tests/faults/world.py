"""The real stack, services as processes, a steady load, and what an injury may do to them."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from services.cli.processes import PROCESSES
from services.cli.reckoning import Books, Progress, open_books
from services.registration.settings import Settings
from shared.local.logs import tail
from shared.local.ports import HOST, choose_port
from shared.messaging.steps import Step
from shared.privacy.plan import load_plan
from shared.runtime.cluster import Cluster
from tests.faults.answers import Difference, compare
from tests.faults.dinner import Desk
from tests.faults.ground import PLAN, Ground, open_ground
from tests.faults.load import Load, Upstream
from tests.faults.model import Model, end_of_year
from tests.faults.observed import Witness
from tests.faults.replicas import Replica, fork_server
from tests.faults.upstream import Sender

_SPECS = {spec.name: spec for spec in PROCESSES}
SETTLES_WITHIN_S = 300.0
HANDS_OVER_WITHIN_S = 60.0
"""From the end of an injury, where no list could be handed over before."""

LAST_WORDS = 6
"""Lines of a process's log: an error that ended it, and where it came from."""

PULSE_S = 0.1
LOOK_EVERY_S = 0.1

Say = Callable[[str], None]


class NotRecoveredError(Exception):
    """A service does not go on although everything that it needs is there."""


class NotSettledError(Exception):
    """Something is still to be taken or said when all should be quiet."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a world is like. `rate` is messages per second, `session_ms` the session time-out."""

    seed: int
    rate: int = 60
    session_ms: int = 3_000
    away_s: float = 60.0
    """So long a server stays away, and longer until every service has said that it misses it."""

    proxied: bool = False
    """Whether the network between services and servers can be injured."""

    brokers: int = 1
    """Of Kafka. With three, each partition has three replicas, two of which must have a message."""

    small_disks: bool = False
    """Whether the disks of Kafka's log and of `pg_wal` can be filled."""

    keep_logs: Path | None = None
    """Where the logs of all processes are left at the end."""

    say: Say = lambda _: None

    def telling(self, say: Say) -> Options:
        """The same, and somebody is told how it goes on."""
        return replace(self, say=say)


@dataclass
class World:
    """Everything that runs. Made by `open_world`."""

    options: Options
    ground: Ground
    random: Random = field(init=False)
    load: Load = field(init=False)
    model: Model = field(init=False)
    witness: Witness = field(init=False)
    replicas: dict[str, list[Replica]] = field(default_factory=dict)
    messages: int = 0
    recovered_s: float = 0.0
    """The longest time that it took until all services worked again."""

    deaths_at_steps: Counter[tuple[str, Step]] = field(default_factory=Counter)
    """Of each process, how often it ended itself at a step where it had been told to."""

    ended_by_themselves: list[str] = field(default_factory=list)
    """Of every process that ended though nobody had killed it, how, and the end of its log."""

    deleted: Counter[str] = field(default_factory=Counter)
    """Messages that were deleted from an inbound topic before anybody took them."""

    journal: deque[str] = field(default_factory=lambda: deque(maxlen=200))

    def __post_init__(self) -> None:
        seed = self.options.seed
        now, plan = datetime.now(UTC), load_plan(PLAN)
        begins = now.replace(microsecond=0) - timedelta(hours=12)
        self.random = Random(f"injuries {seed}")  # noqa: S311 - repeatable on purpose
        self.load = Load(seed, begins)
        self.model = Model(plan, begins, end_of_year(plan, now))
        ground = self.ground
        self.witness = Witness(
            ground.database_url, ground.bootstrap_servers, ground.secrets, self.model
        )
        self._sender = Sender(ground.bootstrap_servers)
        self._began = time.monotonic()
        self._context = fork_server()
        environ = {**ground.environ, "STEWARD_SESSION_TIMEOUT_MS": str(self.options.session_ms)}
        self._desk = Desk(Settings.load(environ), ground.folder)

    def note(self, what: str) -> None:
        """Remember what was done, for whoever has to find out why it went wrong."""
        self.journal.append(f"{time.monotonic() - self._began:8.2f} s  {what}")
        self.options.say(what)

    def all_replicas(self) -> list[Replica]:
        return [replica for replicas in self.replicas.values() for replica in replicas]

    def log_of(self, process: str) -> Path:
        return self.ground.folder / "logs" / f"{process}.log"

    @property
    def disclosures(self) -> int:
        """How many lists of the dinner were handed over."""
        return len(self._desk.done)

    @property
    def dinner_list(self) -> Path:
        """The last list of the dinner that was handed over."""
        return self._desk.list

    # Services

    def add_replica(self, process: str) -> Replica:
        """One more process of this name."""
        spec = _SPECS[process]
        port = choose_port(None, option="--http-port")
        environ = {
            **self.ground.environ,
            **spec.environment,
            "STEWARD_LOG_FORMAT": "json",
            "STEWARD_HTTP_HOST": HOST,
            "STEWARD_HTTP_PORT": str(port),
            "STEWARD_SESSION_TIMEOUT_MS": str(self.options.session_ms),
        }
        log = self.log_of(process)

        def tell(sentence: str) -> None:
            # At once: the next life writes into the same log.
            last = " | ".join(tail(log, LAST_WORDS))
            self.ended_by_themselves.append(f"{sentence}; its last words: {last}")

        replica = Replica(self._context, spec, environ, log, tell)
        self.replicas.setdefault(process, []).append(replica)
        replica.start()
        return replica

    async def remove_replica(self, replica: Replica) -> None:
        """End it as an operator would. Raises AssertionError where that is no orderly end."""
        self.replicas[replica.name].remove(replica)
        took = await replica.leave()
        self.note(f"a process of {replica.name} stopped within {took:.1f} s")

    async def close(self) -> None:
        """Stop upstream and all services."""
        await self._sender.close()
        await asyncio.gather(*(replica.stop() for replica in self.all_replicas()))

    # Load

    async def send(self, messages: Sequence[Upstream]) -> None:
        """Publish, and let the model know."""
        for message in messages:
            self.model.take(message)
        await self._sender.send(messages)
        self.messages += len(messages)

    async def hand_over(self) -> None:
        """Hand over one list of the dinner, as the load does all the time."""
        await self._desk.hand_over()

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        """Messages and lists of the dinner keep coming until the end, one list at least: that none
        is lost says nothing where there is none. Raises AssertionError.
        """
        over, before = asyncio.Event(), self.disclosures
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_sending(over.is_set))
            tasks.create_task(self._desk.work(over.is_set))
            try:
                yield
                await self._more_disclosures_than(before)
            finally:
                over.set()

    async def _more_disclosures_than(self, before: int) -> None:
        try:
            async with asyncio.timeout(HANDS_OVER_WITHIN_S):
                while self.disclosures == before:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            failed = f"the last one failed with {self._desk.failed!r}"
            raise AssertionError(f"no list was handed over; {failed}") from None

    async def _keep_sending(self, over: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        due, owed = loop.time(), 0.0
        while not over():
            owed += self.options.rate * PULSE_S
            await self.send(self.load.some(int(owed)))
            owed -= int(owed)
            # After an outage it goes on at its pace, as people would.
            due = max(due + PULSE_S, loop.time())
            await asyncio.sleep(due - loop.time())

    # Waiting

    async def progress(self, service: str) -> Progress:
        """How far one service is."""
        async with self._books() as books:
            (found,) = [one for one in await books.progress() if one.service == service]
        return found

    async def settle(self) -> None:
        """Wait until nothing is left to take or to say. Raises NotSettledError."""
        left = "nobody looked"
        try:
            async with asyncio.timeout(SETTLES_WITHIN_S):
                async with self._books() as books:
                    while True:
                        progress = await books.progress()
                        if all(one.settled for one in progress):
                            return
                        left = "; ".join(str(one) for one in progress if not one.settled)
                        await asyncio.sleep(LOOK_EVERY_S)  # nothing announces that all is quiet
        except TimeoutError:
            raise NotSettledError(f"after {SETTLES_WITHIN_S:.0f} s there is left: {left}") from None

    async def recovered(self, within_s: float = 90.0) -> float:
        """Wait until every service is ready and has gone on from where it is now, or has nothing
        left to do; how long that took, in seconds. Raises NotRecoveredError.
        """
        began = time.monotonic()
        waiting: dict[str, str] = {}
        try:
            async with asyncio.timeout(within_s), AsyncExitStack() as stack:
                books = await stack.enter_async_context(self._books())
                at_first = {one.service: one for one in await books.progress()}
                waiting = dict.fromkeys(at_first, "nobody looked")
                while waiting:
                    for one in await books.progress():
                        if one.service in waiting:
                            missing = await self._missing(one.service)
                            moved = one.settled or one.done > at_first[one.service].done
                            waiting[one.service] = missing or ("" if moved else f"no move: {one}")
                            if not waiting[one.service]:
                                del waiting[one.service]
                                took = time.monotonic() - began
                                self.note(f"{one.service} works again after {took:.1f} s")
                    await asyncio.sleep(LOOK_EVERY_S)  # nothing announces it
        except TimeoutError:
            raise NotRecoveredError(f"after {within_s:.0f} s: {waiting}") from None
        took = time.monotonic() - began
        self.recovered_s = max(self.recovered_s, took)
        return took

    async def _missing(self, service: str) -> str:
        missing = [
            await replica.missing()
            for replica in self.all_replicas()
            if replica.spec.service == service
        ]
        return "; ".join(filter(None, missing))

    # Comparing

    def _books(self) -> AbstractAsyncContextManager[Books]:
        return open_books(self.ground.database_url, Cluster(self.ground.bootstrap_servers))

    async def compare(self) -> Difference:
        """How far the system at rest is from what the model says; what was known before apart."""
        state = await self.witness.disclosures()
        difference = compare(self.model.answers(state), await self.witness.answers())
        difference.lost.extend(
            f"disclosure {one} was handed over and is nowhere"
            for one in self._desk.done
            if one not in state
        )
        async with self._books() as books:
            reckoning = await books.reckon()
        taken = {topic: came - self.deleted[topic] for topic, came in reckoning.received.items()}
        difference.lost.extend(replace(reckoning, received=taken).discrepancies())
        return difference


@asynccontextmanager
async def open_world(options: Options) -> AsyncIterator[World]:
    """Servers with nothing in them, services, and what has to be there before a load."""
    async with open_ground(
        proxied=options.proxied, brokers=options.brokers, small_disks=options.small_disks
    ) as ground:
        world = World(options, ground)
        try:
            for spec in PROCESSES:
                world.add_replica(spec.name)
            await world.send(world.load.prelude())
            await world.settle()
            yield world
        finally:
            await world.close()
            if options.keep_logs is not None:
                shutil.copytree(ground.folder / "logs", options.keep_logs, dirs_exist_ok=True)
