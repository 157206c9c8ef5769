"""Does everything that came in have an outcome, and every disclosure its entries?

Counted from tables and topics, as the administrator: it looks into every schema on purpose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.contract import headers
from shared.contract.registration import TOPIC as REGISTRATION
from shared.contract.registration import RegistrationRejected
from shared.contract.services import SERVICES, ServiceSpec
from shared.contract.topics import INBOUND, TOPICS
from shared.messaging.offsets import learn, open_reader
from shared.runtime.cluster import Cluster
from shared.runtime.database import queries

_sql = queries("reckoning.sql", __file__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one service is: messages taken and there, and what it has not said yet."""

    service: str
    done: int
    there: int
    outbox: int
    dead: int
    parked: int

    @property
    def lag(self) -> int:
        """Messages that the service has not taken yet."""
        return self.there - self.done

    @property
    def settled(self) -> bool:
        """Nothing is left to take or to say."""
        return self.lag == 0 and self.outbox == 0


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What came in and what became of it: topic to outcome to number of messages."""

    received: Mapping[str, int]
    outcomes: Mapping[str, Mapping[str, int]]
    declined: Mapping[str, int]
    """`RegistrationRejected` facts in the topic, by reason."""
    faults: Mapping[str, int]
    """Dead letters in the tables, by reason."""
    parked: int
    waiting: int

    @property
    def totals(self) -> Mapping[str, int]:
        """Messages by outcome, over all inbound topics."""
        total: Counter[str] = Counter()
        for outcomes in self.outcomes.values():
            total.update(outcomes)
        return total

    def discrepancies(self) -> list[str]:
        """Sentences that say which numbers do not agree; none where all is well."""
        found = [
            f"{topic}: {came} received, {counted} have an outcome"
            for topic, came in self.received.items()
            if came != (counted := sum(self.outcomes.get(topic, {}).values()))
        ]
        # A fact may be none of a service's concern; what upstream sends is for who takes it.
        found += [
            f"{topic}: {ignored} ignored, and nothing from upstream may be"
            for topic, outcomes in self.outcomes.items()
            if (ignored := outcomes.get("ignored", 0))
        ]
        standing = {
            "refused": sum(self.declined.values()),
            "waiting": self.waiting,
            "dead_letter": sum(self.faults.values()),
            "parked": self.parked,
        }
        return found + [
            f"{outcome}: the services counted {self.totals.get(outcome, 0)}, there are {there}"
            for outcome, there in standing.items()
            if self.totals.get(outcome, 0) != there
        ]


@dataclass(frozen=True, slots=True)
class Handed:
    """One disclosure as the audit log has it: its entries, and how many people they are about."""

    disclosure_id: str
    recipient: str
    purpose: str
    entries: int
    people: int
    refused: int


def _progress(
    service: ServiceSpec, row: asyncpg.Record, ends: Mapping[TopicPartition, int]
) -> Progress:
    positions = {
        TopicPartition(position["topic"], position["partition"]): position["next_offset"]
        for position in orjson.loads(row["positions"])
    }
    mine = {partition: end for partition, end in ends.items() if partition.topic in service.hears}
    done = sum(max(0, positions.get(partition, 0)) for partition in mine)
    there = sum(mine.values())
    return Progress(service.name, done, there, row["outbox"], row["dead"], row["parked"])


class Books:
    """Reads tables and topics of a system, running or not."""

    def __init__(
        self, connection: asyncpg.Connection[asyncpg.Record], consumer: AIOKafkaConsumer
    ) -> None:
        self._connection = connection
        self._consumer = consumer

    async def progress(self) -> list[Progress]:
        """How far each service is."""
        rows = []
        for service in SERVICES:
            await _sql.look_into(self._connection, service=service.name)
            rows.append((service, await _sql.read_progress(self._connection)))
        # After the tables: who had taken all there was by then, and said all, says nothing more.
        ends = await self._ends({topic for service in SERVICES for topic in service.hears})
        return [_progress(service, row, ends) for service, row in rows]

    async def reckon(self) -> Reckoning:
        """Count every inbound message and what became of it."""
        received: Counter[str] = Counter(dict.fromkeys(INBOUND, 0))
        for partition, end in (await self._ends(INBOUND)).items():
            received[partition.topic] += end
        outcomes: dict[str, Counter[str]] = {topic: Counter() for topic in INBOUND}
        faults: Counter[str] = Counter()
        parked = 0
        for service in SERVICES:
            await _sql.look_into(self._connection, service=service.name)
            async for row in _sql.read_outcomes(self._connection, topics=INBOUND):
                outcomes[row["topic"]][row["outcome"]] += row["messages"]
            async for row in _sql.read_faults(self._connection, topics=INBOUND):
                if row["status"] == "dead":
                    faults[row["reason"]] += row["messages"]
                else:
                    parked += row["messages"]
        waiting = await _sql.count_waiting(self._connection)
        return Reckoning(received, outcomes, await self._declined(), faults, parked, waiting)

    async def disclosures(self) -> list[Handed]:
        """Every disclosure of the audit log, in its order."""
        return [
            Handed(
                str(row["disclosure_id"]),
                row["recipient"],
                row["purpose"],
                row["entries"],
                row["people"],
                row["refused"],
            )
            async for row in _sql.read_disclosures(self._connection)
        ]

    async def _declined(self) -> Counter[str]:
        # By id: after a crash the relay may have published a fact twice.
        reasons: dict[bytes, str] = {}
        async for record in self._read(REGISTRATION):
            attributes = dict(record.headers)
            if attributes.get(headers.TYPE) == RegistrationRejected.message_type.encode():
                reasons[attributes[headers.ID]] = orjson.loads(record.value)["reason"]
        return Counter(reasons.values())

    async def _read(self, topic: str) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
        ends = await self._ends([topic])
        left = {partition for partition, end in ends.items() if end > 0}
        self._consumer.assign(sorted(left))
        await self._consumer.seek_to_beginning()
        while left:
            polled = await self._consumer.getmany(timeout_ms=200, max_records=5000)
            for partition, records in polled.items():
                for record in records:
                    if record.offset < ends[partition]:
                        yield record
            for partition in list(left):
                if await self._consumer.position(partition) >= ends[partition]:
                    left.discard(partition)

    async def _ends(self, topics: Collection[str]) -> dict[TopicPartition, int]:
        partitions = [
            TopicPartition(topic.name, partition)
            for topic in TOPICS
            if topic.name in topics
            for partition in range(topic.partitions)
        ]
        await learn(self._consumer, {one.topic for one in partitions})
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(partitions)
        return ends


@asynccontextmanager
async def open_books(database_url: str, cluster: Cluster) -> AsyncIterator[Books]:
    """Open both; `database_url` is the administrator's."""
    connection = await asyncpg.connect(database_url)
    try:
        async with open_reader(cluster) as consumer:
            yield Books(connection, consumer)
    finally:
        await connection.close()
