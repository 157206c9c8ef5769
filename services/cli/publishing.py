"""Publishes records to the inbound topics, in order, many at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.cli.inbound_lines import LineError, ToSend, read_line
from shared.runtime.cluster import Cluster

IN_FLIGHT = 2_000
"""Records that wait for the broker at most: memory stays small however long the file is."""

SAID_AT_MOST = 100
"""Refused lines of which the reason is kept; the others are counted."""


@dataclass(slots=True)
class Report:
    """What was done with a file: records acknowledged per topic, and the lines refused."""

    sent: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    reasons: list[tuple[int, str]] = field(default_factory=list)
    """Number of the line, from 1, and why."""

    def refuse(self, number: int, reason: str) -> None:
        self.refused += 1
        if len(self.reasons) < SAID_AT_MOST:
            self.reasons.append((number, reason))


Progress = Callable[[int], None]
"""Told the bytes of each line that was dealt with."""


def check(lines: Iterable[bytes]) -> Report:
    """Which lines would be refused; sends nothing."""
    report = Report()
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                read_line(line)
            except LineError as error:
                report.refuse(number, str(error))
    return report


async def publish(lines: Iterable[bytes], cluster: Cluster, progress: Progress) -> Report:
    """Send every line that can be sent, in order, each acknowledged by all in-sync replicas.

    Raises aiokafka's KafkaError when the broker cannot be reached or refuses a record: what was
    acknowledged by then stays sent.
    """
    report = Report()
    producer = AIOKafkaProducer(
        **cluster.client_options(),
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        request_timeout_ms=20_000,
        max_batch_size=256 * 1024,
    )
    try:
        await producer.start()
        await _send_all(producer, lines, report, progress)
    finally:
        await producer.stop()
    return report


async def _send_all(
    producer: AIOKafkaProducer, lines: Iterable[bytes], report: Report, progress: Progress
) -> None:
    pending: list[asyncio.Future[object]] = []
    waiting: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                record = read_line(line)
            except LineError as error:
                report.refuse(number, str(error))
            else:
                pending.append(await _send(producer, record))
                waiting[record.topic] += 1
        progress(len(line))
        if len(pending) == IN_FLIGHT:
            await _acknowledged(pending, waiting, report)
    await _acknowledged(pending, waiting, report)


async def _send(producer: AIOKafkaProducer, record: ToSend) -> asyncio.Future[object]:
    future: asyncio.Future[object] = await producer.send(
        record.topic, value=record.value, key=record.key, headers=list(record.headers)
    )
    return future


async def _acknowledged(
    pending: list[asyncio.Future[object]], waiting: Counter[str], report: Report
) -> None:
    results = await asyncio.gather(*pending, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result if isinstance(result, KafkaError) else KafkaError(type(result).__name__)
    report.sent.update(waiting)
    pending.clear()
    waiting.clear()
