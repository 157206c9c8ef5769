"""`steward audit replay`: entries in order, to people, to programs, or to a topic."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import typer
from rich.console import Console

from services.audit.commands.asked import Asked, filter_of, written_well
from services.audit.commands.counted import tell_survey
from services.audit.commands.sinks import CloudEventsSink, LinesSink, Sink, TableSink
from services.audit.commands.verify import progress_bar
from services.audit.domain.entries import EntryFilter
from services.audit.handlers.read import reach_of, read_pages, survey
from services.audit.handlers.verify import Progress
from services.audit.settings import Settings
from shared.runtime.database import Pool, open_pool

FOLLOW_EVERY_S = 0.5
INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended (128 and the signal's number)."""

NOTHING = "nothing is recorded"
"""Said of whoever has no such entry: known or not, it is the same answer."""


Format = Literal["table", "jsonl", "cloudevents"]
"""How entries are printed."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    asked: Asked
    after: int
    follow: bool
    dry_run: bool
    to_topic: str | None
    format: Format


class Place:
    """How far a replay has come: the log is handed on up to this number."""

    def __init__(self, after: int) -> None:
        self._begin = self.after = after
        self.entries = 0
        self.known = False
        """Whether there is an entry of the person before the place where it went on, or after."""

    @property
    def of_nobody(self) -> bool:
        """Whether there is nothing to tell, and there was nothing before it went on."""
        return not (self.entries or self.known)

    @property
    def moved(self) -> bool:
        """Whether anything was looked at."""
        return self.after != self._begin

    def __str__(self) -> str:
        if not self.moved:
            return "nothing yet"
        return f"up to entry {self.after}; go on with --after {self.after}"


def run_replay(request: Request) -> int:
    """Replay until the end, or until Ctrl-C; the exit code."""
    asked = written_well(request.asked)
    place = Place(request.after)
    try:
        asyncio.run(_run(request, asked, place))
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {place}", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads has read enough, as `head` does. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        if place.moved:
            typer.echo(f"stopped: {place}", err=True)
        raise
    if asked.of_one_person and place.of_nobody:
        typer.echo(NOTHING, err=True)
        return 1
    return 0


async def _run(request: Request, asked: Asked, place: Place) -> None:
    settings = Settings.load()
    pool = await open_pool(settings, service="audit", max_size=1)
    try:
        wanted = await filter_of(asked, pool, settings)
        if asked.of_one_person and request.after >= 0:
            # Who goes on where a replay was interrupted may have been told everything before.
            place.known = (await survey(pool, wanted)).total > 0
        if request.dry_run:
            counted = await survey(pool, wanted, after=request.after)
            place.entries = counted.total
            if not (asked.of_one_person and place.of_nobody):
                await tell_survey(pool, counted, as_json=request.format != "table")
            return
        async with _sink(settings, request) as sink:
            with progress_bar("replaying", quiet=_quiet(request)) as progress:
                await _replay(pool, wanted, sink, place, progress)
            while request.follow and not (asked.of_one_person and place.of_nobody):
                await asyncio.sleep(FOLLOW_EVERY_S)
                await _replay(pool, wanted, sink, place)
    finally:
        await pool.close()


def _quiet(request: Request) -> bool:
    """No bar for programs, nor between the lines of a terminal."""
    return not sys.stderr.isatty() or (request.to_topic is None and sys.stdout.isatty())


async def _replay(
    pool: Pool, wanted: EntryFilter, sink: Sink, place: Place, progress: Progress | None = None
) -> None:
    """All that there is after the place now."""
    reach = await reach_of(pool, wanted, after=place.after)
    async for page in read_pages(pool, wanted, reach):
        if page.entries:
            await sink.write(page.entries)
        place.after = page.through
        place.entries += len(page.entries)
        if progress is not None:
            progress(page.through - reach.after, reach.size - 1 - reach.after)


@asynccontextmanager
async def _sink(settings: Settings, request: Request) -> AsyncIterator[Sink]:
    if request.to_topic is not None:
        from services.audit.commands.topic_sink import topic_sink

        async with topic_sink(settings.cluster, request.to_topic) as topic:
            yield topic
    elif request.format == "table":
        yield TableSink(Console())
    else:
        yield LinesSink() if request.format == "jsonl" else CloudEventsSink()
