"""Publishes records to the inbound topics, in order, many at a time."""

from __future__ import annotations

import asyncio
import os
import select
import stat
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from aiokafka import AIOKafkaProducer

from services.cli.inbound_lines import LineError, ToSend, read_line
from shared.messaging.producing import BATCH_BYTES, acknowledged, open_producer
from shared.runtime.cluster import Cluster

IN_FLIGHT = 2_000
"""Records that wait for the broker at most, and `BATCH_BYTES` of them, so that there is room for
each: memory stays small however long the file is.
"""

_READ_AT_ONCE = 256 * 1024

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


async def publish(lines: BinaryIO, cluster: Cluster, report: Report, progress: Progress) -> None:
    """Send every line that can be sent, in order, each acknowledged by all in-sync replicas; those
    of a pipe as they come.

    Raises aiokafka's KafkaError when the broker cannot be reached, is silent for long, or
    refuses a record: what was acknowledged by then stays sent, what was not may be, too.
    """
    async with open_producer(cluster) as producer:
        await _send_all(producer, lines, report, progress)


async def _send_all(
    producer: AIOKafkaProducer, lines: BinaryIO, report: Report, progress: Progress
) -> None:
    pending: list[asyncio.Future[object]] = []
    waiting: Counter[str] = Counter()
    held = 0

    async def caught_up() -> None:
        nonlocal held
        await _acknowledged(pending, waiting, report)
        held = 0

    number = 0
    async for line in _lines(lines, caught_up):
        number += 1
        if line.strip():
            try:
                record = read_line(line)
            except LineError as error:
                report.refuse(number, str(error))
            else:
                pending.append(await _send(producer, record))
                waiting[record.topic] += 1
                held += len(line)
        progress(len(line))
        if len(pending) == IN_FLIGHT or held >= BATCH_BYTES:
            await caught_up()
    await caught_up()


async def _send(producer: AIOKafkaProducer, record: ToSend) -> asyncio.Future[object]:
    future: asyncio.Future[object] = await producer.send(
        record.topic, value=record.value, key=record.key, headers=list(record.headers)
    )
    return future


async def _acknowledged(
    pending: list[asyncio.Future[object]], waiting: Counter[str], report: Report
) -> None:
    await acknowledged(pending)
    report.sent.update(waiting)
    pending.clear()
    waiting.clear()


async def _lines(file: BinaryIO, caught_up: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
    """Each line with its end, which the last one may lack, as soon as it is there. `caught_up` is
    called before more has to be waited for.
    """
    begun: list[bytes] = []
    while chunk := await _read(file, caught_up):
        whole, end, rest = chunk.rpartition(b"\n")
        if end:
            for line in b"".join([*begun, whole]).split(end):
                yield line + end
            begun.clear()
        begun.append(rest)
    if last := b"".join(begun):
        yield last


async def _read(file: BinaryIO, caught_up: Callable[[], Awaitable[None]]) -> bytes:
    """What there is to read, once there is something; nothing at the end."""
    if not _may_wait(file):
        return file.read(_READ_AT_ONCE)
    descriptor = file.fileno()
    if not select.select([descriptor], [], [], 0)[0]:
        await caught_up()
        await _readable(descriptor)
    return os.read(descriptor, _READ_AT_ONCE)


async def _readable(descriptor: int) -> None:
    """Wait until there is something, or the end; Ctrl-C is heard meanwhile."""
    loop, there_is = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, there_is.set)
    try:
        await there_is.wait()
    finally:
        loop.remove_reader(descriptor)


def _may_wait(file: BinaryIO) -> bool:
    """Whether who reads it may have to wait for somebody who writes."""
    try:
        mode = os.fstat(file.fileno()).st_mode
    except OSError:
        return False  # it is in memory
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or file.isatty()
