"""`steward audit replay`: entries in order, to people, to programs, or to a topic."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from services.audit.domain.entries import EntryFilter, StoredEntry, moment, published
from services.audit.handlers.read import read_entries, survey
from services.audit.settings import Settings
from shared.contract import headers
from shared.contract.topics import TOPICS
from shared.privacy.plan import load_plan
from shared.runtime.database import Pool, open_pool

FOLLOW_EVERY_S = 0.5
INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended (128 and the signal's number)."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for. Days and moments as they were written."""

    since: str | None
    until: str | None
    subject_id: UUID | None
    recipient: str | None
    event_id: UUID | None
    after: int
    follow: bool
    to_topic: str | None
    as_table: bool


class Sink(Protocol):
    """Where entries go."""

    async def write(self, entries: Sequence[StoredEntry]) -> None:
        """Hand these on; done when it returns."""
        ...


class Place:
    """How far a replay has come: the number of the last entry that was handed on."""

    def __init__(self, after: int) -> None:
        self.after = after


def run_replay(request: Request) -> int:
    """Replay until the end, or until Ctrl-C; the exit code."""
    settings = Settings.load()
    asked = _filter(request, ZoneInfo(load_plan(settings.plan).organisation.time_zone))
    place = Place(request.after)
    try:
        asyncio.run(_replay(settings, request, asked, place))
    except KeyboardInterrupt:
        done = "nothing yet" if place.after < 0 else f"up to entry {place.after}"
        resume = "" if place.after < 0 else f"; go on with --after {place.after}"
        typer.echo(f"interrupted: {done}{resume}", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads has read enough, as `head` does. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _filter(request: Request, time_zone: ZoneInfo) -> EntryFilter:
    try:
        return EntryFilter(
            since=moment(request.since, time_zone) if request.since else None,
            until=moment(request.until, time_zone, end_of_day=True) if request.until else None,
            subject_ids=None if request.subject_id is None else (request.subject_id,),
            recipient=request.recipient,
            event_id=request.event_id,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since/--until") from None


async def _replay(settings: Settings, request: Request, asked: EntryFilter, place: Place) -> None:
    async with AsyncExitStack() as open_things:
        pool = await open_pool(settings, service="audit", max_size=1)
        open_things.push_async_callback(pool.close)
        sink = await open_things.enter_async_context(_sink(settings, request, asked, pool))
        while True:
            async for page in read_entries(pool, asked, after=place.after):
                await sink.write(page)
                place.after = page[-1].sequence
            if not request.follow:
                return
            await asyncio.sleep(FOLLOW_EVERY_S)


@asynccontextmanager
async def _sink(
    settings: Settings, request: Request, asked: EntryFilter, pool: Pool
) -> AsyncIterator[Sink]:
    if request.to_topic is not None:
        total = (await survey(pool, asked, after=request.after)).total
        async with _topic(settings, request.to_topic, total) as topic:
            yield topic
    elif request.as_table:
        yield TableSink(Console())
    else:
        yield LinesSink()


class LinesSink:
    """One JSON object per line: the number in the log, and the entry as it is stored."""

    async def write(self, entries: Sequence[StoredEntry]) -> None:
        """Print and flush."""
        lines = [b'{"sequence":%d,"entry":%b}\n' % (one.sequence, one.body) for one in entries]
        sys.stdout.buffer.write(b"".join(lines))
        sys.stdout.buffer.flush()


class TableSink:
    """Rows for people; the head of the table once."""

    _columns = (("#", 9), ("at", 20), ("type", 19), ("recipient", 14), ("purpose", 17))

    def __init__(self, console: Console) -> None:
        self._console = console
        self._head = True

    async def write(self, entries: Sequence[StoredEntry]) -> None:
        """Print a part of the table."""
        table = Table(box=None, show_header=self._head, pad_edge=False)
        for name, width in self._columns:
            table.add_column(name, min_width=width, no_wrap=True)
        table.add_column("subject", min_width=36, no_wrap=True)
        for entry in entries:
            table.add_row(str(entry.sequence), *_cells(entry))
        self._console.print(table)
        self._head = False


def _cells(entry: StoredEntry) -> list[str]:
    event = entry.event
    data = event["data"] if isinstance(event["data"], dict) else {}
    named = [str(data.get(name) or "") for name in ("recipient", "purpose", "subject_id")]
    return [str(data.get("at", ""))[:19].replace("T", " "), str(event["type"]), *named]


@asynccontextmanager
async def _topic(settings: Settings, name: str, total: int) -> AsyncIterator[TopicSink]:
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient

    taken = {spec.name: spec.owner for spec in TOPICS if spec.name != "audit"}
    if name in taken:
        raise typer.BadParameter(
            f"{name} carries the messages of {taken[name]}: name a topic made for the replay",
            param_hint="--to-topic",
        )
    servers = settings.kafka_bootstrap_servers
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        if name not in await admin.list_topics():
            raise typer.BadParameter(
                "there is no topic of this name; make it first, with one partition",
                param_hint="--to-topic",
            )
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    columns = (TextColumn("publishing"), BarColumn(), MofNCompleteColumn())
    async with producer:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            yield TopicSink(producer, name, progress, total)


class Producer(Protocol):
    """What a replay needs of aiokafka's producer."""

    async def send(
        self,
        topic: str,
        value: bytes,
        *,
        partition: int,
        headers: Sequence[tuple[str, bytes]],
    ) -> asyncio.Future[object]:
        """Queue one record; the future is done when brokers have it."""
        ...


class TopicSink:
    """A topic: the records that the entries were made of, ids and bytes, so that a consumer that
    has them already knows them again.
    """

    def __init__(self, producer: Producer, topic: str, progress: Progress, total: int) -> None:
        self._producer = producer
        self._topic = topic
        self._progress = progress
        self._task = progress.add_task("", total=total)

    async def write(self, entries: Sequence[StoredEntry]) -> None:
        """Publish, in order and so to one partition; done when brokers have all of it."""
        sent = []
        for entry in entries:
            record = published(entry)
            attributes = [
                (headers.PREFIX + name, value.encode()) for name, value in record.attributes.items()
            ]
            content_type = (headers.CONTENT_TYPE, headers.JSON.encode())
            sent.append(
                await self._producer.send(
                    self._topic, record.data, partition=0, headers=[*attributes, content_type]
                )
            )
        await asyncio.gather(*sent)
        self._progress.advance(self._task, len(entries))
