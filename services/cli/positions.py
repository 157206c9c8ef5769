"""`steward positions`: where each service reads on, and how a partition goes on after a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.choosing import Service, chosen, settings_of
from services.cli.schemas import SERVICES
from shared.contract.topics import INBOUND
from shared.runtime.confirming import confirm, see_that_somebody_is_asked
from shared.runtime.dwindling import STANDS_FOR_S, until_none_is_left

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from shared.messaging.positions import Position
    from shared.runtime.database import Pool

SAY_AGAIN: Final = ("registration", "consent", "finance")
"""Topics that the service of the same name can fill again: it has a command `republish`."""

LOOK_EVERY_S: Final = 1.0

AS_BEFORE: Final = (
    "Only where no other Kafka was read: its logs may have moved these places, and what stands"
    " before them here will never be read. Without --as-before the log is read again from its"
    " beginning, which changes nothing."
)

app = typer.Typer(
    help="Where each service reads on; let a partition go on.",
    no_args_is_help=True,
    add_completion=False,
)


@dataclass(frozen=True)
class Found:
    """A position and the service that reads on from there."""

    service: str
    position: Position

    @property
    def place(self) -> str:
        """The partition, and whose position it is."""
        topic, number = self.position.partition
        return f"{topic}[{number}] of {self.service}"

    def document(self) -> dict[str, object]:
        """What a program gets to see of it."""
        position = self.position
        topic, number = position.partition
        return {
            "service": self.service,
            "topic": topic,
            "partition": number,
            "position": None if position.of_another_log else position.was,
            "former_position": position.was if position.of_another_log else None,
            "start": position.bounds.start,
            "end": position.bounds.end,
            "lag": position.lag,
            "gap": position.gap,
            "lost": position.lost,
        }


@dataclass(frozen=True)
class Step:
    """A partition that stands still, the offset where it is to go on, and what to say of that."""

    found: Found
    offset: int
    comment: str


@app.callback()
def positions() -> None:
    """Where each service reads on; let a partition go on."""


@app.command("list")
def list_(
    service: Service = None,
    topic: Annotated[str | None, typer.Option("--topic", help="Of this topic only.")] = None,
    gaps: Annotated[bool, typer.Option("--gaps", help="Only what stands still.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Not before what is there is taken.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """List the position of every partition beside what its log has.

    With --wait once all is taken that the logs have by now, but where one stands still: until then,
    who hears a topic cannot say again what hangs on it. It waits as long as something is taken.

    Exit code 1: a partition stands still, since its log does not have what is to be read next; or
    what is there is not taken. 2: nobody reads the topic that was named, or not that service.

    Examples: steward positions list --gaps · steward positions list --service finance --json ·
    steward positions list --wait --topic registration
    """
    found, left = asyncio.run(_found(chosen(service), topic, wait=wait))
    if topic is not None and not found:
        who = "nobody has" if service is None else f"{service} has not"
        raise typer.BadParameter(
            f"{who} begun to read it: `steward positions list` shows what is read",
            param_hint="--topic",
        )
    standing = [one for one in found if one.position.gap]
    shown = standing if gaps else found
    if json:
        import orjson

        for one in shown:
            typer.echo(orjson.dumps(one.document()).decode())
    elif shown:
        _draw(shown)
    else:
        typer.echo("no partition stands still" if gaps else "no positions")
    if left:
        places = ", ".join(one.place for one in left)
        typer.echo(f"nobody takes what {places} has: `steward status` says why", err=True)
    raise typer.Exit(1 if standing or left else 0)


@app.command()
def resume(
    service: Annotated[str, typer.Option(help=f"One of {', '.join(SERVICES)}.")],
    topic: Annotated[str, typer.Option(help="As `list` shows it.")],
    partition: Annotated[
        int | None, typer.Option(min=0, help="As `list` shows it; else all that stand still.")
    ] = None,
    as_before: Annotated[
        bool,
        typer.Option("--as-before", help="Where they were: no other Kafka was read meanwhile."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Let partitions that stand still go on at the beginning of what their logs have.

    The service may run: it goes on by itself within seconds.

    What was deleted it will not see. Have it said again first: what is said again stands in the log
    by then, and no disclosure is decided before it is read.

    Exit code 1: nothing stands still there, one has moved meanwhile, a log lacks the place where
    reading was, or the answer was no.

    Examples: steward positions resume --service finance --topic registration --partition 3 ·
    steward positions resume --service registration --topic consent
    """
    chosen(service)
    found = asyncio.run(_list((service,), topic))
    there = [one for one in found if partition in (None, one.position.partition[1])]
    standing = [one for one in there if one.position.gap]
    if not standing:
        place = topic if partition is None else f"{topic}[{partition}]"
        _tell_nothing(f"{place} of {service}", there)
        raise typer.Exit(1)
    steps = _to_where_they_were(standing) if as_before else _to_the_beginning(standing)
    for told in (AS_BEFORE if as_before else "", first_of_all(topic)):
        if told:
            typer.echo(told, err=True)
    if not yes:
        _ask(steps)
    raise typer.Exit(0 if asyncio.run(_go_on(service, steps)) else 1)


def _tell_nothing(place: str, there: Sequence[Found]) -> None:
    state = "does not stand still" if there else "has no position yet"
    typer.echo(f"{place} {state}; `steward positions list` shows what does", err=True)


def first_of_all(topic: str) -> str:
    """What has to be done about what a topic has lost before its readers go on; empty: nothing."""
    if topic in SAY_AGAIN:
        return (
            f"First of all `steward {topic} republish`, until it ends with exit code 0: it says"
            " again what was lost. Whoever goes on before that decides by half of what was said."
        )
    if topic in INBOUND:
        return "What was lost upstream has to send again."
    if topic == "audit":
        return "Entries that were lost nobody can say again: see “A gap” in docs/operations.md."
    return ""


def _to_the_beginning(standing: Sequence[Found]) -> list[Step]:
    return [Step(one, one.position.bounds.start, f"; {_lost(one)}") for one in standing]


def _to_where_they_were(standing: Sequence[Found]) -> list[Step]:
    """None goes on unless all can: a Kafka that lacks the place of one is not what was read."""
    lacking = [one for one in standing if one.position.was not in one.position.bounds]
    for one in lacking:
        bounds = one.position.bounds
        has = f"its log has {bounds.start} to {bounds.end}"
        typer.echo(f"{one.place} was at {one.position.was}, and {has}: nothing goes on", err=True)
    if lacking:
        raise typer.Exit(1)
    return [Step(one, one.position.was, ", where it was") for one in standing]


async def _go_on(service: str, steps: Sequence[Step]) -> bool:
    """Move each partition, and say so; whether all have stayed where they were until then."""
    from shared.messaging.positions import resume as resume_position
    from shared.runtime.database import open_pool

    all_went = True
    async with await open_pool(settings_of(service), service=service) as pool:
        for step in steps:
            place = step.found.place
            if await resume_position(pool, step.found.position, step.offset):
                typer.echo(f"{place} goes on at {step.offset}{step.comment}")
            else:
                typer.echo(f"{place} has moved meanwhile; look again", err=True)
                all_went = False
    return all_went


def _ask(steps: Sequence[Step]) -> None:
    see_that_somebody_is_asked()
    for one in steps:
        position = one.found.position
        typer.echo(f"{one.found.place}: from {position.was} to {one.offset}{one.comment}", err=True)
    confirm("Let it go on there?")


def _lost(one: Found) -> str:
    lost = one.position.lost
    if lost is None:
        return "all that the log has is read; what an earlier one had it will not see"
    return f"{lost} message{'' if lost == 1 else 's'} before it were deleted unread"


async def _list(services: Sequence[str], topic: str | None) -> list[Found]:
    from shared.messaging.positions import list_positions

    found = []
    for service in services:
        async with _opened(service) as (pool, reader):
            found += [Found(service, one) for one in await list_positions(pool, reader)]
    return [one for one in found if topic in (None, one.position.partition[0])]


async def _found(
    services: Sequence[str], topic: str | None, *, wait: bool
) -> tuple[list[Found], list[Found]]:
    """The list; to `wait`, once all that the logs have by now is taken, but where one stands still,
    and those where it is not, as nothing was taken any more.
    """
    found = await _list(services, topic)
    if not wait:
        return found, []
    ends = {one.place: one.position.bounds.end for one in found}
    left: list[Found] = []

    async def waiting() -> int:
        found[:] = await _list(services, topic)
        behind = (one for one in found if one.position.was < ends.get(one.place, 0))
        left[:] = [one for one in behind if not one.position.gap]
        return sum(ends[one.place] - one.position.was for one in left)

    await until_none_is_left(waiting, every_s=LOOK_EVERY_S, stands_for_s=STANDS_FOR_S)
    return found, left


@asynccontextmanager
async def _opened(service: str) -> AsyncIterator[tuple[Pool, AIOKafkaConsumer]]:
    from shared.messaging.offsets import open_reader
    from shared.runtime.database import open_pool

    settings = settings_of(service)
    async with (
        await open_pool(settings, service=service) as pool,
        open_reader(settings.cluster) as reader,
    ):
        yield pool, reader


def _draw(found: Sequence[Found]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("service", "topic"):
        table.add_column(name, overflow="fold")
    for name in ("partition", "position", "start", "end", "lag"):
        table.add_column(name, justify="right")
    table.add_column("gap")
    for one in found:
        position = one.position
        topic, number = position.partition
        stored = f"none, was {position.was}" if position.of_another_log else position.was
        numbers = (number, stored, position.bounds.start, position.bounds.end)
        gap = f"[red]stands still: {_lost(one)}[/]" if position.gap else ""
        table.add_row(one.service, topic, *map(str, numbers), str(position.lag), gap)
    Console(highlight=False).print(table)
