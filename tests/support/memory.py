"""A substitute for Kafka in memory: partitions, offsets, groups with eager rebalances.

It passes the same suite as the real one. Its brokers can be sent away, and lose records where
told to, so that tests reach quickly what takes minutes with servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    UnknownTopicOrPartitionError,
)

from shared.contract.message import Record
from shared.messaging.kept_records import KeptRecord
from shared.messaging.partitioning import partition_of_key
from shared.messaging.places import Partition
from shared.messaging.store import OutboxRow
from shared.messaging.transport import Bounds, Listener, Producer, Stopping
from shared.runtime.clock import Clock, utc_now


@dataclass(slots=True)
class _PartitionLog:
    start: int = 0
    records: list[KeptRecord] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.start + len(self.records)

    def delete_before(self, offset: int) -> None:
        dropped = max(0, min(offset, self.end) - self.start)
        del self.records[:dropped]
        self.start += dropped


class MemoryBroker:
    """What all transports of a test share, as processes share a cluster."""

    def __init__(self, now: Clock = utc_now) -> None:
        self._now = now
        self._logs: dict[Partition, _PartitionLog] = {}
        self._groups: dict[str, list[_Member]] = {}
        self._rebalancing = asyncio.Lock()
        self._here = asyncio.Event()
        self._here.set()
        self.written = asyncio.Condition()
        self.refused: set[str] = set()
        """Topics that take nothing."""
        self.committed: dict[tuple[str, Partition], int] = {}

    def create_topic(self, topic: str, partitions: int) -> None:
        """Also anew: it begins at its first offset again."""
        for number in range(partitions):
            self._logs[topic, number] = _PartitionLog()

    def go_away(self) -> None:
        """Answer nobody until `come_back`; what was being sent stays on its way."""
        self._here.clear()

    def come_back(self) -> None:
        self._here.set()

    @property
    def is_away(self) -> bool:
        return not self._here.is_set()

    async def until_here(self) -> None:
        await self._here.wait()

    def log_of(self, partition: Partition) -> _PartitionLog:
        try:
            return self._logs[partition]
        except KeyError:
            raise UnknownTopicOrPartitionError from None

    def records(self, topic: str) -> list[KeptRecord]:
        """All records of a topic, partition by partition."""
        return [
            record
            for (name, _), log in sorted(self._logs.items(), key=lambda item: item[0])
            if name == topic
            for record in log.records
        ]

    async def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
        partition: int | None = None,
    ) -> KeptRecord:
        numbers = [number for name, number in self._logs if name == topic]
        if not numbers:
            raise UnknownTopicOrPartitionError
        if partition is None:
            partition = partition_of_key(key, len(numbers))
        log = self._logs[topic, partition]
        at = int(self._now().timestamp() * 1000)
        record = KeptRecord(topic, partition, log.end, at, key, value, tuple(headers))
        log.records.append(record)
        async with self.written:
            self.written.notify_all()
        return record

    async def join(self, group: str, member: _Member) -> None:
        async with self._rebalancing:
            members = self._groups.setdefault(group, [])
            await self._revoke(members)
            members.append(member)
            self._assign(members)

    async def leave(self, group: str, member: _Member) -> None:
        async with self._rebalancing:
            members = self._groups[group]
            await self._revoke(members)
            members.remove(member)
            self._assign(members)

    async def _revoke(self, members: Sequence[_Member]) -> None:
        for member in members:
            member.assigned = set()
            member.offsets.clear()
            await member.listener.revoked()

    def _assign(self, members: Sequence[_Member]) -> None:
        for member in members:
            member.assigned = set()
        for number, partition in enumerate(sorted(self._logs)):
            hearing = [member for member in members if partition[0] in member.topics]
            if hearing:
                hearing[number % len(hearing)].assigned.add(partition)
        for member in members:
            member.listener.assigned(member, sorted(member.assigned))


class MemoryTransport:
    """One process's way to the broker."""

    def __init__(self, broker: MemoryBroker, *, batch_max_records: int = 1000) -> None:
        self._broker = broker
        self._most = batch_max_records

    async def consume(
        self, group: str, topics: Sequence[str], listener: Listener, stopping: Stopping
    ) -> None:
        """See `Transport`."""
        if self._broker.is_away:
            raise KafkaConnectionError
        member = _Member(self._broker, group, frozenset(topics), listener)
        await self._broker.join(group, member)
        reading = asyncio.create_task(member.read(self._most))
        stop = asyncio.create_task(stopping.wait_for_stop())
        try:
            await asyncio.wait((reading, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, stop):
                task.cancel()
            await asyncio.gather(reading, stop, return_exceptions=True)
            await asyncio.shield(self._broker.leave(group, member))

    async def producer(self) -> Producer:
        """See `Transport`."""
        if self._broker.is_away:
            raise KafkaConnectionError
        return _MemoryProducer(self._broker)

    async def delete_before(self, offsets: Mapping[Partition, int]) -> None:
        """See `Transport`."""
        for partition, offset in offsets.items():
            self._broker.log_of(partition).delete_before(offset)


class _Member:
    """A reader in a group; the `Log` that its listener is given."""

    def __init__(
        self, broker: MemoryBroker, group: str, topics: frozenset[str], listener: Listener
    ) -> None:
        self._broker = broker
        self._group = group
        self.topics = topics
        self.listener = listener
        self.assigned: set[Partition] = set()
        self.offsets: dict[Partition, int] = {}

    async def read(self, most: int) -> None:
        while True:
            await self._broker.until_here()
            records = self._poll(most)
            self.listener.polled()
            if records:
                await self.listener.take(records)
            else:
                await self._wait()

    def _poll(self, most: int) -> list[Record]:
        polled: list[Record] = []
        busy = self.listener.busy()
        free = [item for item in self.offsets.items() if item[0] not in busy]
        for partition, offset in free or list(self.offsets.items()):
            log = self._broker.log_of(partition)
            if not log.start <= offset <= log.end:
                del self.offsets[partition]
                self.listener.out_of_range(partition)
                continue
            first = offset - log.start
            found = log.records[first : first + most - len(polled)]
            self.offsets[partition] = offset + len(found)
            polled.extend(found)
        return polled

    async def _wait(self) -> None:
        async with self._broker.written:
            try:
                async with asyncio.timeout(0.02):
                    await self._broker.written.wait()
            except TimeoutError:
                pass

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, Bounds]:
        self._refuse_while_away()
        logs = {partition: self._broker.log_of(partition) for partition in partitions}
        return {partition: Bounds(log.start, log.end) for partition, log in logs.items()}

    async def offsets_at(
        self, moment: datetime, partitions: Collection[Partition]
    ) -> Mapping[Partition, int]:
        self._refuse_while_away()
        milliseconds = int(moment.timestamp() * 1000)
        found = {}
        for partition in partitions:
            log = self._broker.log_of(partition)
            later = (one.offset for one in log.records if one.timestamp >= milliseconds)
            found[partition] = next(later, log.end)
        return found

    def seek(self, partition: Partition, offset: int) -> None:
        if partition in self.assigned:
            self.offsets[partition] = offset

    def waiting(self, positions: Mapping[Partition, int]) -> int:
        ends = {one: self._broker.log_of(one).end for one in positions.keys() & self.assigned}
        return sum(max(0, end - positions[one]) for one, end in ends.items())

    async def past_markers(self, positions: Mapping[Partition, int]) -> Mapping[Partition, int]:
        return {}  # every offset has a record

    def pause(self, partition: Partition) -> None:
        self.offsets.pop(partition, None)

    async def commit(self, offsets: Mapping[Partition, int]) -> bool:
        for partition, offset in offsets.items():
            self._broker.committed[self._group, partition] = offset
        return True

    def _refuse_while_away(self) -> None:
        if self._broker.is_away:
            raise KafkaConnectionError


class _MemoryProducer:
    """Sends one record after the other, while the broker is there."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._last: asyncio.Future[None] | None = None

    async def send(self, rows: Sequence[OutboxRow]) -> list[Awaitable[object]]:
        return [self._send(row) for row in rows]

    def _send(self, row: OutboxRow) -> asyncio.Future[None]:
        before = self._last

        async def deliver() -> None:
            if before is not None:
                await asyncio.wait((before,))
            await self._broker.until_here()
            if row.topic in self._broker.refused:
                raise MessageSizeTooLargeError
            await self._broker.append(row.topic, row.key, row.value, row.headers)

        self._last = asyncio.ensure_future(deliver())
        return self._last

    async def stop(self) -> None:
        if self._last is not None and not self._broker.is_away:
            await asyncio.wait((self._last,))
