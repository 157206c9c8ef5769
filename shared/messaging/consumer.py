"""Takes what Kafka has for a service, from the positions that the service's database holds.

What Kafka knows of positions does not decide where. A batch is handed over once its transaction has
committed; whatever happens before that, the same records are read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import Final, NamedTuple

import structlog

from shared.contract.message import Record
from shared.messaging.at_work import AtWork, cancel
from shared.messaging.failing import Portion, tell_why
from shared.messaging.finding import FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S, PositionFinder
from shared.messaging.gaps import Gaps
from shared.messaging.gathering import Gathering
from shared.messaging.manner import ALL_AT_ONCE, Manner, group_of
from shared.messaging.places import Partition, partition_of
from shared.messaging.planning import Batch, Digests, Taken, decode_all, remaining, sort_out
from shared.messaging.processing import Fenced, PlanChanged, Processor, Tools
from shared.messaging.service import Service
from shared.messaging.told import KafkaTold
from shared.messaging.transport import Bounds, Log, Transport
from shared.messaging.unit_of_work import Speaker, topics_said_by
from shared.runtime.application import Loop
from shared.runtime.database import describe
from shared.runtime.health import Heartbeats
from shared.runtime.turns import in_turns

DECODED_AT_ONCE: Final = 30
"""Records: half a millisecond."""

AT_ONCE: Final = 2
"""Batches at work in one process, of different partitions: while the database is with the one,
Python is with the other. To the database they are two processes."""

REVOKE_SHARE: Final = 0.5
"""Of the session time-out: so long a batch may go on when its partitions are taken away."""

_log = structlog.get_logger(__name__)


class Understood(NamedTuple):
    """Decoded records, judged under the plan of this number."""

    taken: Sequence[Taken]
    plan: int | None


class Consumer:
    """Reads the topics of a service and brings every record to its end, effectively once."""

    def __init__(
        self,
        service: Service,
        transport: Transport,
        heartbeats: Heartbeats,
        *,
        inbox_key: bytes,
        tools: Tools | None = None,
        group: str | None = None,
        manner: Manner = ALL_AT_ONCE,
    ) -> None:
        self._service = service
        self._transport = transport
        self._heartbeats = heartbeats
        self._tools = tools or Tools()
        self._group = group or group_of(service.name, manner.name)
        self._batch = f"{manner.name} batch".lstrip()
        self._places = f"{manner.name} positions".lstrip()
        self._digests = Digests(inbox_key)
        self._subscriptions = {one.topic: one for one in service.subscriptions}
        self._session_s = service.settings.session_timeout_ms / 1000
        self._gathering = Gathering(manner.gather_s, service.settings.batch_max_records)
        self._finder = PositionFinder(service.pool, self._session_s)
        self.told = KafkaTold()
        topics = service.topics or topics_said_by(service.name)
        speaker = Speaker(service.name, self._tools.ids, topics, service.sealer.reference)
        self._processor = Processor(service, speaker, self._tools)
        # FastStream keeps what is handled in the context of its task, and asyncpg the context in
        # which it prepared a statement, for five minutes: together they would keep whole batches.
        self._context = copy_context()
        self._loop: Loop | None = None
        self._log: Log | None = None
        self._assigned: frozenset[Partition] = frozenset()
        self._positions: dict[Partition, int] = {}
        self._gaps = Gaps(heartbeats)
        # Counts how often reading began anew. What was fetched before must not be handled after:
        # it may begin beyond the position, and what lies between would be skipped.
        self._epoch = 0
        self._polled_in = 0
        self._settling: asyncio.Task[None] | None = None
        self._at_work = AtWork(AT_ONCE)
        self._waiting: set[asyncio.Task[None] | None] = set()
        # Batches at work whose last try failed: while there is one, that others succeed is no news.
        self._failing: set[asyncio.Task[None] | None] = set()

    @property
    def log(self) -> Log | None:
        """The partitions that this process has, while it has any."""
        return self._log

    @property
    def positions(self) -> Mapping[Partition, int]:
        """Where the next batch of each partition begins."""
        return self._positions

    @property
    def settled(self) -> bool:
        """Whether it is known which partitions this process has, and where to read on in each."""
        return self._log is not None and (self._settling is None or self._settling.done())

    @property
    def gaps(self) -> Collection[Partition]:
        """Partitions that stand still because their log lacks what is to be read next."""
        return self._gaps

    async def run(self, loop: Loop) -> None:
        """Read until the process is to stop."""
        self._loop = loop
        # Until it is known where to read on, nobody can say whether anything can be read.
        self._heartbeats.missing(self._places, "partitions are not shared out yet")
        await loop.unless_stopped(self._rehearse())
        back_off_s = FIRST_BACK_OFF_S
        while not loop.stopping:
            try:
                await self._transport.consume(self._group, list(self._subscriptions), self, loop)
            except Exception as error:  # noqa: BLE001 - whatever it is, begin anew
                _log.warning("reading from Kafka failed", **describe(error))
                loop.missing("Kafka cannot be used")
                await loop.pause(back_off_s)
                back_off_s = min(back_off_s * 2, LONGEST_BACK_OFF_S)

    async def _rehearse(self) -> None:
        try:
            await self._processor.rehearse(AT_ONCE)
        except Exception as error:  # noqa: BLE001 - what is missing, the first batch will say
            _log.warning("the first batch takes longer: no rehearsal", **describe(error))

    # What the transport tells

    def busy(self) -> Collection[Partition]:
        return self._at_work.partitions()

    def polled(self) -> None:
        self._polled_in = self._epoch
        if self._loop is not None:
            self._loop.beat()

    def assigned(self, log: Log, partitions: Collection[Partition]) -> None:
        self._log = log
        if self._loop is not None:
            self._loop.ok()
        self._assigned = frozenset(partitions)
        self._begin_anew()

    async def revoked(self) -> None:
        """Let batches at work end, within a bound; else cancel them, which rolls them back."""
        # What is decoded already does not begin any more; nor does what is polled from now on, as
        # it stands behind that. What is at work knows its own positions.
        self._epoch += 1
        self._positions.clear()
        await cancel(self._settling)
        self._settling = None
        working = self._at_work.tasks()
        ending = working.keys() - self._waiting
        if ending:
            await asyncio.wait(ending, timeout=self._session_s * REVOKE_SHARE)
        for work in working:
            await cancel(work)
        self._log = None
        self._assigned = frozenset()
        self._positions.clear()
        self._gathering.forget()
        self.told.forget()
        self._epoch += 1
        for partition in self._gaps:
            self._gaps.close(partition)

    def out_of_range(self, partition: Partition) -> None:
        if self._positions.pop(partition, None) is not None:
            self._open_gap(partition)

    async def take(self, records: Sequence[Record]) -> None:
        """Decode while batches before are with the database; return once there is room to begin.

        Never raises. A batch that is given up takes along what was read behind it.
        """
        await self._begin(records)
        self._gathering.took(records)
        if self._gathering.few(len(records), self._log):
            await self._gathering.let_come(self._at_work.tasks())

    async def _begin(self, records: Sequence[Record]) -> None:
        epoch = self._epoch
        if self._polled_in != epoch:
            return
        understood = await self._understand(records)
        touched = frozenset(partition_of(record) for record in records)
        await self._at_work.room_for(touched)
        if epoch == self._epoch:
            # Its own positions: a partition can turn out to lack what comes after these records.
            seen_through = self._see_through(understood, dict(self._positions))
            work = asyncio.create_task(seen_through, context=self._context.copy())
            self._at_work.add(work, touched)

    async def _understand(self, records: Sequence[Record]) -> Understood:
        """Decode in small parts: what the database answers meanwhile is not kept waiting."""
        taken: list[Taken] = []
        # Before the first part: should the plan change on the way, the transaction notices.
        plan = None if self._service.plan is None else self._service.plan.number
        async for some in in_turns(records, DECODED_AT_ONCE):
            decoded = decode_all(some, self._tools.decode, self._subscriptions)
            taken += sort_out(decoded, self._subscriptions, self._digests)
        return Understood(taken, plan)

    async def _see_through(self, understood: Understood, positions: dict[Partition, int]) -> None:
        try:
            self._tools.steps("taken")
            await self._work_through(understood, positions)
        except Exception as error:  # noqa: BLE001 - whatever it is, the same is read again
            _log.error("a batch was given up, and is read again", **describe(error))
            self._begin_anew()
        finally:
            # However it ended, it waits no more; a batch that did not succeed would never say so.
            self._fails_no_more()

    # Positions

    def _begin_anew(self) -> None:
        """Forget what is known of positions, and read on from those that are stored."""
        self._epoch += 1
        self._positions.clear()
        log = self._log
        if log is not None:
            for partition in self._assigned:
                log.pause(partition)
            if self._settling is not None:
                self._settling.cancel()
            self._settling = asyncio.create_task(self._settle(log, sorted(self._assigned)))

    def _was_fenced(self) -> None:
        _log.warning("another process has these partitions")
        self._begin_anew()

    async def _settle(self, log: Log, partitions: Collection[Partition]) -> None:
        """Find where to read on, once nothing is at work that moves it; try until it is known."""
        while working := self._at_work.tasks():
            await asyncio.wait(working)
        found = await self._finder.until_found(log, partitions, self._say_not_found)
        self._heartbeats.ok(self._places)
        self._epoch += 1
        for partition in partitions:
            self._read_on(log, partition, *found[partition])

    def _say_not_found(self) -> None:
        self._heartbeats.missing(self._places, "database or Kafka does not answer")

    def _read_on(self, log: Log, partition: Partition, stored: int, bounds: Bounds) -> None:
        if stored in bounds:
            self._gaps.close(partition)
            self._positions[partition] = stored
            self.told.note({partition: stored})
            self._gathering.reads_on(partition, stored)
            log.seek(partition, stored)
        else:
            # aiokafka 0.14 fetches nothing from a broker while a partition there has no position,
            # and looks for what the group has committed: a paused one has to have some too.
            log.seek(partition, bounds.end)
            self._open_gap(partition)

    async def check_gaps(self) -> None:
        """See whether an operator has mended a partition that stands still."""
        log = self._log
        if log is not None and self._gaps and self.settled:
            found = await self._finder.find(log, list(self._gaps))
            for partition in found.keys() & set(self._gaps):
                self._read_on(log, partition, *found[partition])
                if partition not in self._gaps:
                    told = {"part": partition[1], "offset": self._positions[partition]}
                    _log.info("a partition that stood still goes on", topic=partition[0], **told)

    async def pass_markers(self) -> None:
        """Move positions over ends of transactions, which take offsets and are never handed over:
        behind its last message a partition would never be read to its end, and what was read would
        be missed once that is deleted.
        """
        log = self._log
        if log is None:
            return
        before = dict(self._positions)
        ends = await log.past_markers(before)
        busy = self.busy()
        # What was handed over meanwhile is not at work yet, and finds the position that it begins
        # from once this has ended.
        ends = {
            one: end
            for one, end in ends.items()
            if one not in busy and self._positions.get(one) == before[one]
        }
        if ends:
            passing = asyncio.create_task(self._pass_markers(before, ends))
            self._at_work.add(passing, ends.keys())
            # Whoever takes the partitions away cancels it, and not us.
            await asyncio.wait((passing,))
            if not passing.cancelled():
                passing.result()

    async def _pass_markers(
        self, before: Mapping[Partition, int], ends: Mapping[Partition, int]
    ) -> None:
        try:
            await self._processor.pass_markers({one: before[one] for one in ends}, ends)
        except Fenced:
            self._was_fenced()
            return
        for partition, end in ends.items():
            if partition in self._positions:
                self._positions[partition] = end
                self._gathering.reads_on(partition, end)
        self.told.note(ends)

    def _open_gap(self, partition: Partition) -> None:
        self._gathering.stands_still(partition)
        if self._log is not None:
            self._log.pause(partition)
        self._gaps.open(partition)

    # Batches

    async def _work_through(self, understood: Understood, positions: dict[Partition, int]) -> None:
        """Bring records to their end; while the world does not let us, try again for ever."""
        left, plan = understood
        left = [one for one in left if partition_of(one.record) in positions]
        portion = Portion(len(left), self._session_s)
        clock = asyncio.get_running_loop().time
        back_off_s = FIRST_BACK_OFF_S
        outdated = False

        def done(batch: Batch) -> None:
            positions.update(batch.ends)
            self._positions.update({p: positions[p] for p in batch.ends if p in self._positions})

        while batch := remaining(left, positions, portion.most):
            began = clock()
            try:
                if outdated:
                    await self._processor.renew_plan()
                    left, plan = await self._understand([one.record for one in left])
                    outdated = False
                    continue
                await self._processor.process(replace(batch, plan=plan), done)
            except Fenced:
                self._was_fenced()
                return
            except PlanChanged:
                outdated = True
            except Exception as error:  # noqa: BLE001 - a batch is never lost
                portion.failed(error, len(batch), clock() - began)
                await self._wait(error, back_off_s)
                back_off_s = min(back_off_s * 2, LONGEST_BACK_OFF_S)
            else:
                portion.succeeded(clock() - began)
                back_off_s = FIRST_BACK_OFF_S
                self._fails_no_more()
        touched = {partition_of(one.record) for one in left}
        self.told.note({one: positions[one] for one in touched})

    async def _wait(self, error: Exception, seconds: float) -> None:
        tell_why(error, self._heartbeats, self._batch)
        work = asyncio.current_task()
        self._failing.add(work)
        self._waiting.add(work)
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting.discard(work)
        if self._loop is not None:
            self._loop.beat()

    def _fails_no_more(self) -> None:
        self._failing.discard(asyncio.current_task())
        if not self._failing:
            self._heartbeats.ok(self._batch)

    async def tell_kafka(self) -> None:
        """Tell Kafka what is `told.due`; what it does not take is to be told still."""
        due = self.told.due
        if self._log is not None and due and await self._log.commit(due):
            self.told.done()
            self._tools.steps("offset_committed")
