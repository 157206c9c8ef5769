"""What has to be done from time to time: partitions of the inbox, what is read, figures, memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from shared.contract.topics import TOPICS
from shared.messaging import store
from shared.messaging.consumer import Consumer
from shared.messaging.places import Partition
from shared.messaging.planning import KEEP_DAYS
from shared.messaging.service import Service
from shared.messaging.transport import Transport
from shared.runtime.application import Loop
from shared.runtime.clock import Clock
from shared.runtime.cluster import CertificateError
from shared.runtime.database import bounded_transaction, describe
from shared.runtime.memory import give_back_free_pages
from shared.runtime.metrics import (
    CERTIFICATE_EXPIRY,
    CONSUMER_LAG,
    DEAD_LETTERS_STANDING,
    OUTBOX_OLDEST_SECONDS,
    OUTBOX_ROWS,
    PARKED_KEYS,
    PARKED_MESSAGES,
    PARTITIONS_ASSIGNED,
    PARTITIONS_STOPPED,
)
from shared.runtime.periodic import TRY_AGAIN_S
from shared.runtime.quiet import tell_if_loud

FIGURES_EVERY: Final = timedelta(seconds=5)
NOT_SETTLED_S: Final = 1.0
"""The same while partitions are shared out: who looks then is to see soon what a process has."""

SESSION_SHARE: Final = 0.5
"""Of the session time-out, where that is less than between two looks for figures: they are how a
process that has nothing to do notices that Kafka is away."""

HOUSEKEEPING_EVERY: Final = timedelta(minutes=10)
HOUSEKEEPING_AGAIN: Final = timedelta(minutes=1)
"""After it failed: a backup may hold a table for as long as it lasts."""

HOUSEKEEPING_LATE: Final = timedelta(hours=1)
"""Nothing that it does is urgent; after so long somebody has to look why it is not done."""

INBOUND: Final = frozenset(spec.name for spec in TOPICS if spec.inbound)
_log = structlog.get_logger(__name__)


class Maintenance:
    """Keeps tables, topics and memory small and figures fresh. Every replica may run it."""

    def __init__(
        self,
        service: Service,
        consumers: Sequence[Consumer],
        transport: Transport,
        *,
        now: Clock,
        inbound: Collection[str] = INBOUND,
    ) -> None:
        self._pool = service.pool
        self._limit_s = service.settings.session_timeout_ms / 1000
        self._sealer = service.sealer
        self._tls = service.settings.cluster.tls
        self._consumers = consumers
        self._transport = transport
        self._now = now
        self._read_kept = timedelta(hours=service.settings.inbound_kept_hours)
        self._inbound = inbound
        self._next_housekeeping = self._kept_house = now()

    async def run(self, loop: Loop) -> None:
        """Until the process is to stop."""
        while not loop.stopping:
            looked = await self._try_to_look(loop)
            loop.beat()
            # Also while Kafka is away: keys of what was kept for long enough wait for nobody.
            if self._now() >= self._next_housekeeping:
                await loop.unless_stopped(self._try_to_keep_house(loop))
            if looked:
                self._tell(loop)
            await loop.pause(self._pause_s() if looked else TRY_AGAIN_S)

    def _tell(self, loop: Loop) -> None:
        if self._now() - self._kept_house < HOUSEKEEPING_LATE:
            loop.ok()
        else:
            loop.missing("housekeeping has failed for an hour")

    def _pause_s(self) -> float:
        settled = all(consumer.settled for consumer in self._consumers)
        if not settled:
            return NOT_SETTLED_S
        return min(FIGURES_EVERY.total_seconds(), self._limit_s * SESSION_SHARE)

    async def _try_to_look(self, loop: Loop) -> bool:
        """Whether it was done. Where it was not, readiness says what does not answer."""
        try:
            # Kafka does not answer a consumer any more that was closed meanwhile.
            await loop.unless_stopped(self._look())
        except Exception as error:  # noqa: BLE001 - all of it is done again soon
            _log.warning("maintenance has to wait", **describe(error))
            kafka = isinstance(error, KafkaError | TimeoutError)
            loop.missing(f"{'Kafka' if kafka else 'the database'} does not answer")
            return False
        return True

    async def _look(self) -> None:
        # First: what comes after it may be out of reach because the certificate has ended.
        self._renew_certificate()
        # Also while Kafka is away, when more and more waits there.
        await self._measure_tables()
        for consumer in self._consumers:
            await consumer.pass_markers()
            await consumer.check_gaps()
        # After what moves positions: who has resumed a partition waits for its lag to be 0.
        await self._measure_partitions()
        give_back_free_pages()

    def _renew_certificate(self) -> None:
        """A certificate that is replaced before its end is shown from the next connection on."""
        if self._tls is None:
            return
        try:
            if self._tls.renew():
                _log.info("another certificate is shown to Kafka from now on")
        except CertificateError as error:
            _log.error("a new certificate cannot be used", reason=str(error))
        if self._tls.expiry is not None:
            CERTIFICATE_EXPIRY.set(self._tls.expiry.timestamp())

    async def _try_to_keep_house(self, loop: Loop) -> None:
        """What keeps it from its end keeps nothing else from being done meanwhile."""
        try:
            await self.keep_house(loop.beat)
        except ExceptionGroup as failed:
            for error in failed.exceptions:
                _log.warning("housekeeping has to wait", **describe(error))
            self._next_housekeeping = self._now() + HOUSEKEEPING_AGAIN
        else:
            self._kept_house = self._now()
            self._next_housekeeping = self._kept_house + HOUSEKEEPING_EVERY

    async def keep_house(self, beat: Callable[[], None] = lambda: None) -> None:
        """Prepare and drop partitions of the inbox, destroy the keys of bodies that were kept for
        long enough, delete what is read from inbound topics, and see that the database is discreet.

        Each of it whatever becomes of the others; between two of them it beats. Raises a group of
        what they raised.
        """
        failed: list[Exception] = []
        for part in (self._keep_inbox, self._purge_record_keys, self._delete_read):
            try:
                await part()
            except Exception as error:  # noqa: BLE001 - raised with those of the others
                failed.append(error)
            beat()
        if failed:
            raise ExceptionGroup("housekeeping", failed)

    async def _keep_inbox(self) -> None:
        # Waits for whoever reads all tables, for two seconds; nothing is to wait for it.
        async with bounded_transaction(self._pool, self._limit_s) as connection:
            await store.keep_inbox(connection, self._now().date(), KEEP_DAYS)

    async def _purge_record_keys(self) -> None:
        async with bounded_transaction(self._pool, self._limit_s) as connection:
            await self._sealer.purge_record_keys(connection, self._now().date())
            await tell_if_loud(connection)

    async def _delete_read(self) -> None:
        for consumer in self._consumers:
            await self._delete_read_by(consumer)

    async def _delete_read_by(self, consumer: Consumer) -> None:
        """Never beyond our position: what is not processed is nowhere else."""
        log = consumer.log
        ours = {p: n for p, n in consumer.positions.items() if p[0] in self._inbound}
        if log is None or not ours:
            return
        old = await log.offsets_at(self._now() - self._read_kept, list(ours))
        starts = await log.bounds(list(ours))
        before = {p: min(old[p], position) for p, position in ours.items()}
        await self._transport.delete_before(
            {p: offset for p, offset in before.items() if offset > starts[p].start}
        )

    async def measure(self) -> None:
        """Bring the figures up to date."""
        await self._measure_tables()
        await self._measure_partitions()

    async def _measure_tables(self) -> None:
        async with bounded_transaction(self._pool, self._limit_s) as connection:
            found = await store.figures(connection, self._now())
        OUTBOX_ROWS.set(found.outbox)
        OUTBOX_OLDEST_SECONDS.set(found.oldest_s)
        DEAD_LETTERS_STANDING.set(found.dead)
        PARKED_MESSAGES.set(found.parked)
        PARKED_KEYS.set(found.parked_keys)

    async def _measure_partitions(self) -> None:
        lag: dict[Partition, int] = {}
        for consumer in self._consumers:
            lag |= await _lag(consumer)
        # What another process has by now is counted there.
        CONSUMER_LAG.clear()
        for partition, messages in lag.items():
            CONSUMER_LAG.labels(*partition).set(messages)
        stopped = sum(len(consumer.gaps) for consumer in self._consumers)
        PARTITIONS_STOPPED.set(stopped)
        PARTITIONS_ASSIGNED.set(sum(len(one.positions) for one in self._consumers) + stopped)


async def _lag(consumer: Consumer) -> dict[Partition, int]:
    """Messages that are left to take of each partition that this process has: of one that stands
    still, all that its log has.
    """
    log, positions, gaps = consumer.log, dict(consumer.positions), list(consumer.gaps)
    if log is None or not (positions or gaps):
        return {}
    bounds = await log.bounds([*positions, *gaps])
    lag = {p: max(0, bounds[p].end - offset) for p, offset in positions.items()}
    return lag | {p: bounds[p].end - bounds[p].start for p in gaps}
