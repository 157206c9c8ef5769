"""`steward demo`: one realistic day through the whole system, shown and checked."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from services.cli.demo_report import show_disclosures, show_reckoning, show_what_next
from services.cli.down import refuse_while_demonstrated, remove_home
from services.cli.environment import home_folder, plan_path
from services.cli.reckoning import Books, Handed, open_books
from services.cli.reckoning import Progress as Standing
from services.cli.system import Options, Ports, System, running_system, wait_for_given
from services.cli.unused_servers import used_by_another, without_another_system
from shared.contract.services import SERVICES

app = typer.Typer(add_completion=False)

DAY = Path(__file__).parents[2] / "examples" / "day.jsonl"
_SETTLE_WITHIN_S = 300.0
_LOOK_EVERY_S = 0.3


class DemoError(Exception):
    """Something that the demonstration promises did not come true; the text says what."""


@dataclass(frozen=True, slots=True)
class Handover:
    """What one disclosure of a list handed over, as the command that made it said."""

    event: str
    recipient: str
    disclosure_id: str
    people: int


@app.command()
def demo(
    day: Annotated[Path, typer.Option(help="CloudEvents to publish, one a line.")] = DAY,
    about: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL|-",
            help="Whose history to show, - reads it from standard input; else somebody of the day.",
        ),
    ] = None,
) -> None:
    """Start everything, publish one day, hand out lists, and check that the numbers add up.

    Uses a folder of its own and free ports, so a system that runs is not touched: servers that
    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name are refused where a Steward is there already. Ends
    by itself: exit code 0 when every message has an outcome and every disclosure its entries.

    Example: steward demo --day examples/day.jsonl
    """
    from shared.privacy.asking import who_is_named

    console = Console()
    named = None if about is None else who_is_named(about, "--about")
    try:
        asyncio.run(_demonstrate(console, day, named))
    except DemoError as error:
        console.print(f"[red]The demonstration failed:[/red] {error}")
        raise typer.Exit(1) from None


async def _demonstrate(console: Console, day: Path, about: str | None) -> None:
    environ = without_another_system(os.environ)
    await wait_for_given(environ)
    if used := await used_by_another(environ):
        raise DemoError(
            f"there is a Steward already where {' and '.join(used)} point: unset what names it, to"
            " have servers started here, or name servers that no Steward has used"
        )
    home, lists = await _fresh_folders()
    options = Options(
        home=home,
        plan=plan_path(),
        ports=Ports(any_free=True),
        environ=environ,
        say=lambda text: console.print(f"[dim]{text}[/dim]"),
    )
    async with (
        running_system(options) as system,
        open_books(system.database_url, system.cluster) as books,
    ):
        if system.not_ready:
            raise DemoError(f"not ready: {', '.join(system.not_ready)}; see {options.log_folder}")
        await _publish(console, system, books, day)
        handovers = await _hand_out(console, system, lists)
        await _settle(books)
        await _report(console, books, handovers)
        await _tell_about(console, system, about or _somebody(day))
    show_what_next(console)


async def _fresh_folders() -> tuple[Path, Path]:
    """The demonstration's own folder, emptied of what the last one left, and one for its lists."""
    refuse_while_demonstrated(home_folder())
    home = home_folder() / "demo"
    await remove_home(home)
    return home, home / "lists"


async def _publish(console: Console, system: System, books: Books, day: Path) -> None:
    console.rule("One day is published")
    sending = asyncio.create_task(_steward(system, "send", str(day), "--json"))
    with _display(console) as display:
        bars = {service.name: display.add_task(service.name, lag=0, dead=0) for service in SERVICES}
        await _settle(books, lambda standings: _show(display, bars, standings), after=sending)


async def _hand_out(console: Console, system: System, folder: Path) -> list[Handover]:
    """Every list that some event's recipient may have, made by the command that staff use."""
    console.rule("Recipients get what the plan lets them have")
    await asyncio.to_thread(folder.mkdir)
    listed = await _steward(system, "registration", "events", "--json")
    handovers = []
    for event in map(orjson.loads, listed.splitlines()):
        for recipient in event["recipients"]:
            arguments = ("registration", "disclose", event["number"], recipient)
            output = folder / f"{event['number']}-{recipient}.csv"
            said = await _steward(system, *arguments, "--output", str(output), "--json", "--yes")
            console.print(f"$ steward {' '.join(arguments)}", highlight=False)
            made = [
                Handover(event["number"], recipient, one["disclosure"], one["people"])
                for one in orjson.loads(said)["disclosures"]
            ]
            # One row a person, who may be in the disclosures of several purposes.
            released = [handover.people for handover in made]
            if not max(released) <= (lines := _count_people(output)) <= sum(released):
                raise DemoError(f"{output.name} has {lines} people; {released} were released")
            handovers += made
    return handovers


def _count_people(file: Path) -> int:
    """People on a list: its rows without the heading; none where no list was written."""
    if not file.exists():
        return 0
    with file.open(encoding="utf-8", newline="") as rows:
        return sum(1 for _ in csv.reader(rows)) - 1


async def _settle(
    books: Books,
    show: Callable[[Sequence[Standing]], None] = lambda _: None,
    *,
    after: asyncio.Task[bytes] | None = None,
    within_s: float = _SETTLE_WITHIN_S,
) -> None:
    """Wait until every service has taken and said everything, once `after` has succeeded.

    Raises DemoError, which names who is behind, and what `after` raises.
    """
    standings: list[Standing] = []
    try:
        async with asyncio.timeout(within_s):
            while True:
                sent = after is None or after.done()
                standings = await books.progress()
                show(standings)
                if after is not None and sent:
                    await after
                if sent and all(standing.settled for standing in standings):
                    return
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        behind = [one.service for one in standings if not one.settled] or ["steward send"]
        raise DemoError(f"after {within_s:.0f} s not done: {', '.join(behind)}") from None


async def _report(console: Console, books: Books, handovers: Sequence[Handover]) -> None:
    console.rule("What became of it")
    reckoning = await books.reckon()
    show_reckoning(console, reckoning)
    logged = await books.disclosures()
    show_disclosures(console, logged)
    wrong = [*reckoning.discrepancies(), *unlogged(handovers, logged)]
    if wrong:
        raise DemoError("; ".join(wrong))
    console.print(
        "[green]✓[/green] every message has one outcome; "
        "[green]✓[/green] every person on every list has exactly one audit entry\n"
    )


def unlogged(handovers: Iterable[Handover], logged: Iterable[Handed]) -> list[str]:
    """Sentences about lists whose people do not have exactly one entry each; none if all do."""
    entries = {one.disclosure_id: one for one in logged}
    found = []
    for handover in handovers:
        entry = entries.get(handover.disclosure_id)
        counted = (entry.entries, entry.people) if entry else (0, 0)
        if counted != (handover.people, handover.people):
            found.append(
                f"{handover.recipient} of {handover.event} got {handover.people} people; "
                f"the log has {counted[0]} entries about {counted[1]}"
            )
    return found


async def _tell_about(console: Console, system: System, email: str) -> None:
    console.rule("What the audit log says about one person")
    console.print(f"$ echo {email} | steward audit about -")
    said = await _steward(system, "audit", "about", "-", given=email, width=console.width)
    console.print(said.decode(), markup=False, highlight=False)


def _somebody(day: Path) -> str:
    """Whom the generator of the day made to be asked about."""
    try:
        return str(orjson.loads(day.with_name("expected.json").read_bytes())["person"])
    except (OSError, ValueError, KeyError):
        raise DemoError(f"there is no expected.json beside {day}; name a person: --about") from None


async def _steward(
    system: System, *arguments: str, given: str | None = None, width: int = 120
) -> bytes:
    """Run a command of `steward` as a user would; what it printed. Raises DemoError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **without_another_system(os.environ),
            **system.environment,
            "COLUMNS": str(width),
        },
    )
    printed, complaint = await process.communicate(given.encode() if given else None)
    if process.returncode != 0:
        said = complaint.decode(errors="replace").strip()
        raise DemoError(f"`steward {' '.join(arguments)}` exited with {process.returncode}: {said}")
    return printed


def _display(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TextColumn("lag {task.fields[lag]:>6,}"),
        TextColumn("dead letters {task.fields[dead]:>4,}"),
        console=console,
    )


def _show(display: Progress, bars: Mapping[str, TaskID], standings: Iterable[Standing]) -> None:
    for standing in standings:
        display.update(
            bars[standing.service],
            total=max(standing.there, 1),
            completed=standing.done if standing.there else 1,
            lag=standing.lag,
            dead=standing.dead,
        )
