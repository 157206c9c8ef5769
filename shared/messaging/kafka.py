"""Kafka, through FastStream's subscriber and aiokafka's producer.

What FastStream 0.7.8 and aiokafka 0.14 do by themselves and must not do here: commit offsets,
decode headers before a handler is asked, publish what a handler returns, sleep for five seconds
after an error of one partition, poll on after a poll that failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import structlog
from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from shared.contract.topics import MAX_MESSAGE_BYTES
from shared.messaging.batches import read_any_names
from shared.messaging.kafka_sender import STOP_S, Sender, let_it_close
from shared.messaging.offsets import ANSWER_S, bounds_of
from shared.messaging.places import Partition
from shared.messaging.transport import Bounds, Listener, Producer, Stopping
from shared.runtime.database import describe
from shared.runtime.settings import ServiceSettings

POLL_S: Final = 0.5
"""So long a poll waits for records. FastStream waits its own batch time-out again after an empty
one, so that one is as short as can be and the waiting is done in ours."""

BUSY_POLL_S: Final = 0.005
"""The same while something is at work: its partitions are polled again when it has ended."""

NEVER_MS: Final = 2**31 - 1
"""A batch that waits for the database for hours must not cost the process its partitions: that it
lives is told by heartbeats, not by polls."""

REQUEST_SHARE: Final = 1.5
"""Of the session time-out. A member that died holds up a join for a whole session, and so long an
answer is waited for; what takes longer is a connection whose other end is gone without a word.
aiokafka's own 40 s would be the time that it takes to notice."""

PRODUCER_BATCH_BYTES: Final = 262_144
"""One request at a time goes to a partition: the records of one read of the outbox fit in it."""

FETCH_BYTES_A_RECORD: Final = 393
"""Of one partition so much is fetched at once for each record that a batch may have: half a batch;
and of each partition so much may lie here untaken. A record that is larger comes all the same
(KIP-74)."""

_log = structlog.get_logger(__name__)


class KafkaTransport:
    """Reads and writes the topics of one Kafka cluster."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._cluster = settings.cluster
        self._session_ms = settings.session_timeout_ms
        self._request_ms = int(settings.session_timeout_ms * REQUEST_SHARE)
        self._most = settings.batch_max_records

    async def consume(
        self, group: str, topics: Sequence[str], listener: Listener, stopping: Stopping
    ) -> None:
        """See `Transport`. An error that reading does not survive by itself is raised."""
        read_any_names()
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        rebalances = _Rebalances(listener)
        broker = self._broker(group, topics, listener, rebalances)
        stop = asyncio.create_task(stopping.wait_for_stop())
        try:
            await broker.connect()
            broker.config.broker_config.builder = partial(
                _Reader,
                **self._cluster.client_options(),
                request_timeout_ms=self._request_ms,
                listener=listener,
                rebalances=rebalances,
                failed=failed,
            )
            await _to_the_end(broker.start())
            await asyncio.wait((stop, failed), return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
        finally:
            stop.cancel()
            failed.cancel()
            try:
                # What is in hand ends before the reader does: a commit of offsets that comes while
                # it closes opens a connection that nobody closes.
                await listener.revoked()
            finally:
                await broker.stop()
                await listener.revoked()  # whatever was handed over meanwhile

    def _broker(
        self, group: str, topics: Sequence[str], listener: Listener, rebalances: _Rebalances
    ) -> KafkaBroker:
        """FastStream's broker with its one subscriber, which hands records on as they are."""
        broker = KafkaBroker(
            self._cluster.bootstrap_servers,
            consumer_only=True,
            request_timeout_ms=self._request_ms,
            apply_types=False,
            logger=None,
            # FastStream's own wait for the batch in hand; what is left then is cancelled.
            graceful_timeout=self._session_ms / 2000,
        )
        subscriber = broker.subscriber(
            *topics,
            group_id=group,
            batch=True,
            max_records=self._most,
            max_partition_fetch_bytes=FETCH_BYTES_A_RECORD * self._most,
            batch_timeout_ms=1,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // 4,
            max_poll_interval_ms=NEVER_MS,
            listener=rebalances,
            parser=_parse,
            decoder=_records_of,
        )

        @subscriber
        async def take(records: Sequence[ConsumerRecord]) -> None:
            await listener.take(records)

        return broker

    async def producer(self) -> Producer:
        """See `Transport`. Idempotent, so a retry inside of it neither doubles nor reorders."""
        producer = AIOKafkaProducer(
            **self._cluster.client_options(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=PRODUCER_BATCH_BYTES,
            max_request_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=self._session_ms,
        )
        try:
            await _to_the_end(producer.start())
        except BaseException:
            await producer.stop()
            raise
        return Sender(producer)

    async def delete_before(self, offsets: Mapping[Partition, int]) -> None:
        """See `Transport` (Kafka's DeleteRecords)."""
        admin = AIOKafkaAdminClient(
            **self._cluster.client_options(), request_timeout_ms=self._request_ms
        )
        try:
            await admin.start()
            await admin.delete_records(
                {TopicPartition(*one): RecordsToDelete(offset) for one, offset in offsets.items()}
            )
        finally:
            await admin.close()


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Hands assignments on. The reader is not known yet where FastStream asks for a listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.reader: _Reader | None = None

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._listener.revoked()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        if self.reader is not None:
            self._listener.assigned(_KafkaLog(self.reader), [tuple(one) for one in assigned])


class _Reader(AIOKafkaConsumer):  # type: ignore[misc] # aiokafka has no types
    """aiokafka's consumer, whose polls are heard of and whose errors stay with their partition."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - aiokafka's own, passed on
        listener: Listener,
        rebalances: _Rebalances,
        failed: asyncio.Future[None],
        **options: Any,  # noqa: ANN401 - as above
    ) -> None:
        super().__init__(*args, **options)
        self._listener = listener
        self._failed = failed
        # Of each partition the offset behind the last record that was handed over, or, where there
        # was none since, the one that was sought.
        self._handed_over: dict[TopicPartition, int] = {}
        rebalances.reader = self

    async def getmany(
        self,
        *partitions: TopicPartition,
        timeout_ms: int = 0,
        max_records: int | None = None,
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """FastStream's poll; neither `partitions` nor `timeout_ms` are its business.

        What is at work is passed over: records behind it could not begin. A poll that fails has
        perhaps moved on in partitions whose records nobody gets: they lie before what the next one
        would bring. So nothing is handed over any more, and reading begins anew.
        """
        records: dict[TopicPartition, list[ConsumerRecord]] = {}
        self._see_that_it_lives()
        if self._failed.done():
            await asyncio.sleep(POLL_S)
            return {}
        busy = {TopicPartition(*one) for one in self._listener.busy()}
        poll_s = BUSY_POLL_S if busy else POLL_S
        try:
            # While partitions are shared out anew it waits without a limit, and when what keeps it
            # up to date has ended, for ever. Records that it has are taken in one go: none is lost.
            async with asyncio.timeout(poll_s + POLL_S):
                records = await super().getmany(
                    *(self.assignment() - busy if busy else ()),
                    timeout_ms=int(poll_s * 1000),
                    max_records=max_records,
                )
        except TimeoutError:
            pass  # no partition is ours yet
        except NoOffsetForPartitionError:
            pass  # between an assignment and its seek
        except OffsetOutOfRangeError as error:
            for topic, number in error.args[0]:
                self._listener.out_of_range((topic, number))
        except Exception as error:  # noqa: BLE001 - FastStream would go on as if nothing had been
            self._fail(error)
            return {}
        # Nothing is waited for between this and what moved aiokafka's own positions.
        self._handed_over.update({one: got[-1].offset + 1 for one, got in records.items()})
        self._listener.polled()
        return records

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """aiokafka's, remembered."""
        super().seek(partition, offset)
        self._handed_over[partition] = offset

    async def past_markers(self, partition: TopicPartition, position: int) -> int:
        """Where reading goes on, if nothing was handed over from this position on; else just it.

        aiokafka goes past what it hands to nobody: ends of transactions, what was given up in them.
        After a poll that failed it may have gone past records, too.
        """
        # First: what is handed over while this waits, or fails, is known below.
        reads_on = int(await self.position(partition))
        handed_over = self._handed_over.get(partition)
        if self._failed.done() or handed_over is None or handed_over > position:
            return position
        return reads_on

    async def stop(self) -> None:
        """Close the connections also where a part of it fails as it is closed."""
        let_it_close(self._client)
        try:
            await super().stop()
        finally:
            await self._client.close()

    def _see_that_it_lives(self) -> None:
        """Nobody is told when what aiokafka does in the background ends by an error, as by uvloop's
        RuntimeError where a connection is closed under it. Without fetching, polls would find
        nothing for ever; without metadata, no question about offsets would be answered.
        """
        for task in (self._fetcher._fetch_task, self._client._sync_task):  # noqa: SLF001 - no public way
            if task is not None and task.done() and not task.cancelled():
                self._fail(task.exception() or KafkaError("a part of the client has ended"))

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)


class _KafkaLog:
    """See `Log`. Partitions that were taken away meanwhile are passed over."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, Bounds]:
        return await bounds_of(self._reader, partitions)

    async def offsets_at(
        self, moment: datetime, partitions: Collection[Partition]
    ) -> Mapping[Partition, int]:
        milliseconds = int(moment.timestamp() * 1000)
        asked = {TopicPartition(*one): milliseconds for one in partitions}
        async with asyncio.timeout(ANSWER_S):
            found = await self._reader.offsets_for_times(asked)
            ends = await self._reader.end_offsets(list(asked))
        return {tuple(one): ends[one] if found[one] is None else found[one].offset for one in asked}

    def waiting(self, positions: Mapping[Partition, int]) -> int:
        reader, ours = self._reader, self._reader.assignment()
        found = 0
        for one, position in positions.items():
            if TopicPartition(*one) in ours:
                end = reader.last_stable_offset(TopicPartition(*one))
                found += max(0, (end or 0) - position)
        return found

    async def past_markers(self, positions: Mapping[Partition, int]) -> Mapping[Partition, int]:
        reader, found = self._reader, dict[Partition, int]()
        async with asyncio.timeout(ANSWER_S):
            for one, position in positions.items():
                if TopicPartition(*one) in reader.assignment():
                    found[one] = await reader.past_markers(TopicPartition(*one), position)
        return {one: reads_on for one, reads_on in found.items() if reads_on > positions[one]}

    def seek(self, partition: Partition, offset: int) -> None:
        if TopicPartition(*partition) in self._reader.assignment():
            self._reader.seek(TopicPartition(*partition), offset)
            self._reader.resume(TopicPartition(*partition))

    def pause(self, partition: Partition) -> None:
        if TopicPartition(*partition) in self._reader.assignment():
            self._reader.pause(TopicPartition(*partition))

    async def commit(self, offsets: Mapping[Partition, int]) -> bool:
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._reader.commit(
                    {TopicPartition(*one): offset for one, offset in offsets.items()}
                )
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            _log.info("Kafka was not told of positions", **describe(error))
            return False
        return True


async def _to_the_end(starting: Coroutine[Any, Any, None]) -> None:
    """Start something even when cancelled: half a start leaves sockets that nobody closes."""
    task = asyncio.create_task(starting)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,), timeout=STOP_S)
        raise


async def _parse(records: tuple[ConsumerRecord, ...]) -> KafkaMessage:
    """Records as they are: FastStream's own parser fails on headers that are not text."""
    return KafkaMessage(raw_message=records, body=b"", consumer=FAKE_CONSUMER)


async def _records_of(message: KafkaMessage) -> tuple[ConsumerRecord, ...]:
    records: tuple[ConsumerRecord, ...] = message.raw_message
    return records
