"""What messaging needs of Kafka. `kafka.py` has it; tests have a substitute."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.contract.message import Record
from shared.messaging.places import Partition
from shared.messaging.store import OutboxRow


@dataclass(frozen=True, slots=True)
class Bounds:
    """The offset of the first record that a partition still has, and that of the next one."""

    start: int
    end: int

    def __contains__(self, position: int) -> bool:
        """Whether a reader can go on from this position."""
        return self.start <= position <= self.end


class Log(Protocol):
    """The partitions that a consumer was given, and what it may do with them.

    Every partition is paused when it is given, until `seek` says where to read.
    """

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, Bounds]:
        """Ask the broker. Raises aiokafka's KafkaError or TimeoutError when it does not answer."""
        ...

    async def offsets_at(
        self, moment: datetime, partitions: Collection[Partition]
    ) -> Mapping[Partition, int]:
        """The first offset at or after the moment; the end of the log where there is none."""
        ...

    def waiting(self, positions: Mapping[Partition, int]) -> int:
        """How many offsets there are from these positions on, as far as the broker has told by now:
        it is not asked.
        """
        ...

    async def past_markers(self, positions: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Where reading goes on in those partitions in which it has met nothing to hand over behind
        these positions: only ends of transactions, and what was given up in them.
        """
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from here; what was fetched from elsewhere is dropped."""
        ...

    def pause(self, partition: Partition) -> None:
        """Read no more of it until the next `seek`."""
        ...

    async def commit(self, offsets: Mapping[Partition, int]) -> bool:
        """Tell the broker of positions; whether it knows them. Never raises."""
        ...


class Listener(Protocol):
    """Who is given partitions and records."""

    def assigned(self, log: Log, partitions: Collection[Partition]) -> None:
        """These are given, and no others."""
        ...

    async def revoked(self) -> None:
        """All are taken away when this returns."""
        ...

    def busy(self) -> Collection[Partition]:
        """Partitions whose records are at work: those of others are wanted first."""
        ...

    def polled(self) -> None:
        """The loop that reads is alive; records that it just got are handed over next."""
        ...

    async def take(self, records: Sequence[Record]) -> None:
        """Records of one poll, those of a partition together and in order."""
        ...

    def out_of_range(self, partition: Partition) -> None:
        """The log does not have the offset to read next."""
        ...


class Producer(Protocol):
    """Sends in order, each record once while it lives."""

    async def send(self, rows: Sequence[OutboxRow]) -> Sequence[Awaitable[object]]:
        """Put facts in line, in order. For each, something that is done when the broker has it.

        Raises where nothing could be put in line; a later failure is that of its delivery.
        """
        ...

    async def stop(self) -> None: ...


class Stopping(Protocol):
    """Who says when to end."""

    async def wait_for_stop(self) -> None: ...


class Transport(Protocol):
    """A way to read and write topics."""

    async def consume(
        self, group: str, topics: Sequence[str], listener: Listener, stopping: Stopping
    ) -> None:
        """Read until it is time to stop. Raises when the broker cannot be used."""
        ...

    async def producer(self) -> Producer:
        """A new producer, started. Raises when the broker cannot be used."""
        ...

    async def delete_before(self, offsets: Mapping[Partition, int]) -> None:
        """Let the log of each partition begin at this offset, if it begins earlier."""
        ...
