"""Carries facts from the outbox to Kafka, in order, at least once; readers' inboxes do the rest.

The outbox is cut into lanes, each with one holder among all processes of a service. Debezium's
outbox event router could take the place of this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg
import structlog
from aiokafka.errors import KafkaError

from shared.messaging import store
from shared.messaging.cursor import Cursor
from shared.messaging.steps import Steps, no_steps
from shared.messaging.store import LANES, OutboxRow
from shared.messaging.transport import Producer, Transport
from shared.runtime.application import Loop
from shared.runtime.database import Connection, connect_alone, describe
from shared.runtime.settings import ServiceSettings

MOST_ROWS: Final = 1000
POLL_S: Final = 1.0
"""Between looks at the outbox when no notification comes: they are a hint, not a promise."""

PING_SHARE: Final = 0.25
"""Of the session time-out. A holder that is silent for all of it loses lane and connection."""

DECIDED_S: Final = 60.0
"""A transaction that gave ids is mostly over after so long, or after a session time-out if that is
longer: it is at its end when it gives them, and the server ends it before that, unless it waits in
its commit. What was read since is looked through each time, so it is not longer.
"""

LOOK_BACK_S: Final = 300.0
"""So often everything is looked through, for what was committed later than that."""

FIRST_BACK_OFF_S: Final = 0.1
LONGEST_BACK_OFF_S: Final = 5.0

Connect = Callable[[], "Awaitable[asyncpg.Connection[asyncpg.Record]]"]

_log = structlog.get_logger(__name__)


class NotDeliveredError(Exception):
    """Kafka did not take a fact."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(type(cause).__name__)
        self.cause = cause


class Relay:
    """One lane of one service's outbox. Each process runs one for each lane; one of them holds it.

    The lock, the reading and the deleting are on one connection: who lost it holds nothing.
    """

    def __init__(
        self,
        lane: int,
        service: str,
        connect: Connect,
        transport: Transport,
        *,
        ping_s: float,
        decided_s: float,
        steps: Steps = no_steps,
    ) -> None:
        self.lane = lane
        self._channel = f"{service} outbox"
        self._connect = connect
        self._transport = transport
        self._ping_s = ping_s
        self._decided_s = decided_s
        self._steps = steps
        self._said = asyncio.Event()

    async def run(self, loop: Loop) -> None:
        """Hold the lane or wait for it, until the process is to stop."""
        back_off_s = FIRST_BACK_OFF_S
        while not loop.stopping:
            try:
                await self._hold(loop)
                back_off_s = FIRST_BACK_OFF_S
            except Exception as error:  # noqa: BLE001 - what is in the outbox stays there
                self._tell(loop, error)
                await loop.pause(back_off_s)
                back_off_s = min(back_off_s * 2, LONGEST_BACK_OFF_S)

    def _tell(self, loop: Loop, error: Exception) -> None:
        cause = error.cause if isinstance(error, NotDeliveredError) else error
        _log.warning("a lane of the outbox waits", lane=self.lane, **describe(cause))
        if isinstance(cause, KafkaError) and not cause.retriable:
            loop.missing("Kafka refuses a fact: the lane stands still until that is mended")
        elif isinstance(cause, KafkaError | TimeoutError):
            loop.missing("Kafka does not answer")
        else:
            loop.missing("the database does not answer")

    async def _hold(self, loop: Loop) -> None:
        connection = await self._connect()
        try:
            while not await store.take_lane(connection, self.lane):
                loop.ok()
                await loop.pause(POLL_S)
                if loop.stopping:
                    return
            await connection.add_listener(self._channel, self._notice)
            await self._publish(connection, loop)
        finally:
            # Not `close`, which waits for an answer: the lock must not outlive this process's use.
            connection.terminate()

    async def _publish(self, connection: Connection, loop: Loop) -> None:
        producer: Producer | None = None
        cursor = Cursor(self._decided_s, LOOK_BACK_S)
        clock = asyncio.get_running_loop().time
        try:
            while not loop.stopping:
                loop.beat()
                self._said.clear()
                began = clock()
                rows = await store.read_lane(connection, self.lane, cursor.after, MOST_ROWS)
                last = rows[-1].id if rows else None
                cursor.saw(began, clock(), last, everything=len(rows) < MOST_ROWS)
                if rows:
                    if producer is None:
                        producer = await self._transport.producer()
                    await self._deliver(rows, producer, connection, loop)
                loop.ok()
                if len(rows) < MOST_ROWS:  # what came since has given notice
                    await self._wait(loop)
        finally:
            if producer is not None:
                await producer.stop()

    async def _deliver(
        self, rows: Sequence[OutboxRow], producer: Producer, connection: Connection, loop: Loop
    ) -> None:
        """Send rows, wait for all of them, forget what arrived. Raises the first failure.

        While Kafka is silent it is unknown whether a fact arrived. The producer goes on trying, so
        nothing is sent again before it has come to an end with all of them; and then by a new
        producer, because after a failure the sequence numbers of the old one do not fit any more.
        """
        self._steps("read")
        sending = asyncio.create_task(_send_all(rows, producer))
        try:
            while not sending.done():
                await asyncio.wait((sending,), timeout=self._ping_s)
                loop.beat()
                if not sending.done():
                    loop.missing("Kafka does not acknowledge")
                    await connection.execute("select")  # keep connection and lane
        finally:
            if not sending.done():
                sending.cancel()
                await asyncio.wait((sending,))
        failures = sending.result()
        self._steps("sent")
        delivered = [row.id for row in up_to_failures(rows, failures)]
        await store.forget(connection, self.lane, delivered)
        self._steps("deleted")
        if failures:
            raise NotDeliveredError(failures[min(failures)])

    async def _wait(self, loop: Loop) -> None:
        stop = asyncio.create_task(loop.wait_for_stop())
        said = asyncio.create_task(self._said.wait())
        await asyncio.wait((stop, said), timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        said.cancel()

    def _notice(self, *_: object) -> None:
        self._said.set()


async def _send_all(rows: Sequence[OutboxRow], producer: Producer) -> dict[int, BaseException]:
    """Send in order; what did not arrive, by id, and why."""
    deliveries = await producer.send(rows)
    results = await asyncio.gather(*deliveries, return_exceptions=True)
    return {
        row.id: result
        for row, result in zip(rows, results, strict=True)
        if isinstance(result, BaseException)
    }


def up_to_failures(
    rows: Sequence[OutboxRow], failures: dict[int, BaseException]
) -> list[OutboxRow]:
    """Of each topic and key what arrived before its first failure. Pure.

    What arrived after it is sent again, behind what failed, so that a reader who never saw the
    first copy reads in order.
    """
    if not failures:
        return list(rows)
    failed: set[tuple[str, bytes | None]] = set()
    arrived = []
    for row in rows:
        if row.id in failures:
            failed.add((row.topic, row.key))
        elif (row.topic, row.key) not in failed:
            arrived.append(row)
    return arrived


def relays(
    service: str, settings: ServiceSettings, transport: Transport, steps: Steps = no_steps
) -> list[Relay]:
    """One for each lane, on connections that end when this process falls silent."""
    session_ms = settings.session_timeout_ms

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        # All that it commits is that facts arrived. Where the server dies before that is on the
        # disk, they are sent again, in the same order: what came after them is there as well.
        return await connect_alone(
            settings,
            service=service,
            idle_session_timeout_ms=session_ms,
            synchronous_commit=False,
        )

    session_s = session_ms / 1000
    times = {"ping_s": session_s * PING_SHARE, "decided_s": max(DECIDED_S, session_s)}
    return [Relay(lane, service, connect, transport, steps=steps, **times) for lane in LANES]
