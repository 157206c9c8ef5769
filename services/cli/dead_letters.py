"""`steward dead-letters`: what could not be processed, and what waits behind it.

Contents stay sealed: these commands show where a message stood and what is wrong with it.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from services.cli.choosing import Service, chosen, settings_of
from services.cli.schemas import SERVICES
from shared.contract.topics import TOPICS
from shared.runtime.confirming import confirm

if TYPE_CHECKING:
    from shared.messaging.store import DeadLetter, Which

app = typer.Typer(
    help="What could not be processed: list, show, redrive, discard.",
    no_args_is_help=True,
    add_completion=False,
)

_ID: Final = re.compile(r"(?:([a-z]+):)?(\d{1,18})")
_MOST: Final = 100_000
"""That a list shows of a service."""

Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON object per line.")]
Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="As `list` shows them, for example registration:12."),
]
All = Annotated[bool, typer.Option("--all", help="All there are, instead of some by their ids.")]


def _known_topic(topic: str | None) -> str | None:
    """A topic that there is. Raises what Typer tells as a wrong argument."""
    names = [spec.name for spec in TOPICS]
    if topic is not None and topic not in names:
        raise typer.BadParameter(f"one of {', '.join(names)}", param_hint="--topic")
    return topic


Topic = Annotated[
    str | None, typer.Option("--topic", help="Of this topic only.", callback=_known_topic)
]
Reason = Annotated[
    str | None, typer.Option("--reason", help="Of this reason only, as `list` shows it.")
]


@dataclass(frozen=True)
class Found:
    """A dead letter and the service that has it."""

    service: str
    letter: DeadLetter

    @property
    def id(self) -> str:
        return f"{self.service}:{self.letter.id}"

    def document(self) -> dict[str, object]:
        """What a program gets to see of it."""
        letter = self.letter
        return {
            "id": self.id,
            "service": self.service,
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.record_offset,
            "status": letter.status,
            "holds_key": letter.holds_key,
            "type": letter.type,
            "type_digest": _hex(letter.type_reference),
            "key_digest": _hex(letter.key_reference),
            "reason": letter.reason,
            "detail": letter.detail,
            "taken_at": letter.taken_at.isoformat(timespec="milliseconds"),
        }


@app.callback()
def dead_letters() -> None:
    """What could not be processed: list, show, redrive, discard."""


@app.command("list")
def list_(
    service: Service = None,
    topic: Topic = None,
    status: Annotated[
        Literal["dead", "parked"] | None,
        typer.Option("--status", help="dead: failed; parked: waits behind one that failed."),
    ] = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """List dead letters, the oldest first, without their content.

    Examples: steward dead-letters list · steward dead-letters list --service consent --json
    """
    from shared.messaging.store import Which

    which = Which(topic, status, _known(reason, and_parked=True))
    found = asyncio.run(_list(chosen(service), which))
    if json:
        _write_json(found)
    elif found:
        _draw(found)
    else:
        typer.echo("no dead letters")


@app.command()
def show(ids: Ids = None, service: Service = None, json: Json = False) -> None:
    """Show all that may be shown of some dead letters; their content stays sealed.

    Exit code 1: one of them does not exist.

    Example: steward dead-letters show registration:12
    """
    wanted = _wanted(ids, service)
    found = asyncio.run(_show(wanted))
    if json:
        _write_json(found)
    else:
        for one in found:
            for name, value in one.document().items():
                if value is not None:
                    typer.echo(f"{name:12}{value}")
            typer.echo()
    _exit_unless_all(found, wanted)


@app.command()
def redrive(
    ids: Ids = None, service: Service = None, everything: All = False, json: Json = False
) -> None:
    """Handle dead letters once more, and what waits behind them, in order.

    Do it after the fault is mended: it is safe to repeat. Exit code 1: some failed again.

    Examples: steward dead-letters redrive registration:12 · steward dead-letters redrive --all
    """
    if everything:
        _refuse_both(ids)
        wanted = _all(chosen(service))
    else:
        wanted = _wanted(ids, service)
    handled, failed = asyncio.run(_redrive(wanted))
    if json:
        import orjson

        document = {"handled": handled, "failed": [one.document() for one in failed]}
        typer.echo(orjson.dumps(document).decode())
    else:
        typer.echo(f"{handled} handled, {len(failed)} failed again")
        for one in failed:
            typer.echo(f"{one.id}: {one.letter.reason}: {one.letter.detail}")
    raise typer.Exit(1 if failed else 0)


@app.command()
def discard(
    ids: Ids = None,
    service: Service = None,
    everything: All = False,
    topic: Topic = None,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Give messages up for good. What waits behind one waits on: redrive it afterwards.

    --all takes what has failed until now, of one topic or reason where these are named.

    Exit code 1: one of them does not exist, or the answer was no.

    Examples: steward dead-letters discard registration:12 · steward dead-letters discard --all
    --service consent --reason json_broken
    """
    from shared.messaging.store import Which

    if everything:
        _refuse_both(ids)
        # Nothing is wrong with what is parked: who means that names it by its id.
        wanted = _all(chosen(service), Which(topic, "dead", _known(reason)))
    elif topic is not None or reason is not None:
        raise typer.BadParameter("only beside --all", param_hint="--topic, --reason")
    else:
        wanted = _wanted(ids, service)
    count = sum(len(numbers) for numbers in wanted.values())
    if count and not yes:
        confirm(f"Discard {count} for good? There is no way back")
    discarded = asyncio.run(_discard(wanted))
    typer.echo(f'{{"discarded": {discarded}}}' if json else f"{discarded} discarded")
    raise typer.Exit(0 if discarded == count else 1)


def _wanted(ids: Sequence[str] | None, service: str | None) -> dict[str, list[int]]:
    chosen(service)
    if not ids:
        raise typer.BadParameter("which? `steward dead-letters list` shows ids", param_hint="ID")
    wanted: dict[str, list[int]] = {}
    for text in dict.fromkeys(ids):
        match = _ID.fullmatch(text)
        owner = (match.group(1) or service) if match is not None else None
        if match is None or owner not in SERVICES:
            raise typer.BadParameter(
                "an id has the form registration:12, or is a number beside --service",
                param_hint="ID",
            )
        wanted.setdefault(owner, []).append(int(match.group(2)))
    return wanted


def _known(reason: str | None, *, and_parked: bool = False) -> str | None:
    """A reason that there is. Raises what Typer tells as a wrong argument."""
    from shared.runtime.metrics import REASONS

    reasons = (*REASONS, *(("parked",) if and_parked else ()))
    if reason is not None and reason not in reasons:
        raise typer.BadParameter(f"one of {', '.join(reasons)}", param_hint="--reason")
    return reason


def _refuse_both(ids: Sequence[str] | None) -> None:
    if ids:
        raise typer.BadParameter("ids or --all, not both", param_hint="--all")


async def _list(services: Sequence[str], which: Which) -> list[Found]:
    from shared.messaging.dead_letters import list_dead_letters
    from shared.runtime.database import open_pool

    found = []
    for service in services:
        async with await open_pool(settings_of(service), service=service) as pool:
            letters = await list_dead_letters(pool, which, most=_MOST + 1)
        if len(letters) > _MOST:
            narrower = "--topic, --status or --reason show others"
            typer.echo(f"only the oldest {_MOST:,} of {service} are listed; {narrower}", err=True)
        found += [Found(service, letter) for letter in letters[:_MOST]]
    return found


def _all(services: Sequence[str], which: Which | None = None) -> dict[str, list[int]]:
    return asyncio.run(_find(services, which))


async def _find(services: Sequence[str], which: Which | None) -> dict[str, list[int]]:
    from shared.messaging.dead_letters import ALL, find_dead_letters
    from shared.runtime.database import open_pool

    wanted = {}
    for service in services:
        async with await open_pool(settings_of(service), service=service) as pool:
            if ids := await find_dead_letters(pool, which or ALL):
                wanted[service] = ids
    return wanted


async def _show(wanted: dict[str, list[int]]) -> list[Found]:
    from shared.messaging.dead_letters import show_dead_letters
    from shared.runtime.database import open_pool

    found = []
    for service, ids in wanted.items():
        async with await open_pool(settings_of(service), service=service) as pool:
            letters = await show_dead_letters(pool, ids)
            found += [Found(service, letter) for letter in letters]
    return found


async def _redrive(wanted: dict[str, list[int]]) -> tuple[int, list[Found]]:
    from shared.messaging.redrive import Redrive

    handled, failed = 0, []
    for service, ids in wanted.items():
        opened = importlib.import_module(f"services.{service}.app").open_service
        async with opened(settings_of(service)) as parts:
            result = await Redrive(parts).run(ids)
        handled += result.handled
        failed += [Found(service, letter) for letter in result.failed]
    return handled, failed


async def _discard(wanted: dict[str, list[int]]) -> int:
    from shared.messaging.dead_letters import Discarder, discard_dead_letters
    from shared.privacy.in_force import InForce
    from shared.runtime.actor import actor
    from shared.runtime.database import open_pool

    discarded = 0
    for service, ids in wanted.items():
        settings = settings_of(service)
        async with await open_pool(settings, service=service) as pool:
            async with pool.acquire() as connection, connection.transaction():
                in_force = await InForce.open(connection)
            by = Discarder(service, actor(), in_force)
            discarded += await discard_dead_letters(pool, ids, by)
    return discarded


def _exit_unless_all(found: Sequence[Found], wanted: dict[str, list[int]]) -> None:
    there = {one.id for one in found}
    asked = {f"{service}:{number}" for service, numbers in wanted.items() for number in numbers}
    if missing := sorted(asked - there):
        typer.echo(f"there is no {', '.join(missing)}", err=True)
        raise typer.Exit(1)


def _write_json(found: Sequence[Found]) -> None:
    import orjson

    for one in found:
        typer.echo(orjson.dumps(one.document()).decode())


def _draw(found: Sequence[Found]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("id", "topic", "place", "status", "type", "reason", "detail"):
        table.add_column(name, overflow="fold")  # on any width nothing is cut off
    for one in found:
        letter = one.letter
        place = f"{letter.partition}@{letter.record_offset}"
        kind = letter.type or "unregistered"
        told = (one.id, letter.topic, place, letter.status, kind, letter.reason, letter.detail)
        table.add_row(*map(Text, told))  # a form as `[a-z]` is no style
    Console().print(table)


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()
