"""`python -m tests.faults [INJURY…]`: injure, compare, show, and write what came of it.

`results/latest.json` has the long form alone: all injuries, or with `--merge` some of them.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.runtime.logging import configure_logging
from tests.faults.disks import why_impossible
from tests.faults.injuries import FOUND
from tests.faults.load import MOST_PER_SECOND
from tests.faults.registry import INJURIES, Injury, Row
from tests.faults.run import Wanted, rows_of
from tests.faults.world import Options

RESULTS = Path(__file__).parent / "results" / "latest.json"

Write = Callable[[Sequence[Row]], None]
"""Called with all rows so far, whenever there is another one."""


def main(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[INJURY]...", help="Some of them; else all.")
    ] = None,
    *,
    times: Annotated[
        int | None, typer.Option(min=1, help="How often each; else as its form has it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same load and injuries.")] = 1,
    rate: Annotated[
        int, typer.Option(min=1, max=MOST_PER_SECOND, help="Messages per second.")
    ] = 60,
    away: Annotated[
        float | None, typer.Option(min=0, help="Seconds that a server stays away at least.")
    ] = None,
    short: Annotated[
        bool, typer.Option("--short", help="A few times each, not long away.")
    ] = False,
    keep_logs: Annotated[
        Path | None, typer.Option(help="A folder to leave the logs of all processes in.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Where the rows are written. By itself the whole long form is, to latest.json."
        ),
    ] = None,
    merge: Annotated[
        bool,
        typer.Option(
            "--merge", help="Put rows of the long form in the place of earlier ones in latest.json."
        ),
    ] = False,
) -> None:
    """Injure the real stack under load and compare all that is left with a model in memory.

    The exit code is 0 when nothing was lost, doubled or reordered and all recovered in time.

    Example: python -m tests.faults service-dies --times 50 --seed 7
    """
    unknown = sorted(set(names or ()) - FOUND.keys())
    if unknown:
        raise typer.BadParameter(f"no {', '.join(unknown)}; there are: {', '.join(FOUND)}")
    long_form = not short and times is None and away is None
    if merge and not long_form:
        raise typer.BadParameter("what is merged is of the long form: no --short, --times, --away")
    checked_in = RESULTS if long_form and (merge or not names) else None
    write = _writer(output or checked_in, merge=merge)
    console = Console(highlight=False)
    configure_logging("faults", "console", "error")
    # That a server is away is what we are here for.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # As Ctrl-C does: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    wanted = _possible([INJURIES[name] for name in names or INJURIES], console)
    away_s = away if away is not None else 2 if short else 60
    options = Options(seed=seed, rate=rate, away_s=away_s, keep_logs=keep_logs)
    with console.status("starting") as status:

        def tell(text: str) -> None:
            status.update(escape(text))
            if not console.is_terminal:
                console.print(escape(text))

        rows: list[Row] = []
        forms = [(one, times or (one.short if short else one.long)) for one in wanted]
        try:
            asyncio.run(_inflict(forms, options.telling(tell), rows, write))
        finally:
            _show(rows, console)  # those that there are, also where somebody has enough
    raise typer.Exit(0 if all(row["passed"] for row in rows) else 1)


def _possible(wanted: Sequence[Injury], console: Console) -> list[Injury]:
    """Those that can be inflicted here; of the others it is said why not."""
    impossible = why_impossible() if any(one.small_disks for one in wanted) else None
    if impossible is None:
        return list(wanted)
    for one in wanted:
        if one.small_disks:
            console.print(f"{one.name} is skipped: {escape(impossible)}")
    return [one for one in wanted if not one.small_disks]


async def _inflict(wanted: Wanted, options: Options, rows: list[Row], write: Write) -> None:
    """Each in a world of its own, so that it is the same alone as among others. A row takes minutes
    or hours: each is written as soon as it is there.
    """
    for one in wanted:
        async for row in rows_of([one], options):
            rows.append(row)
            write(rows)


def _show(rows: Sequence[Row], console: Console) -> None:
    headings = ("injury", "times", "messages", "lost", "doubled", "reordered", "recovered", "")
    table = Table(*headings, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)  # 80 columns
    for row in rows:
        counts = (str(row["lost"]), str(row["doubled"]), str(row["reordered"]))
        recovered = f"{row['recovered_s_max']:.1f} s"
        verdict = "[green]passed[/]" if row["passed"] else "[red]failed[/]"
        sizes = (str(row["times"]), f"{row['messages']:,}")
        table.add_row(row["injury"], *sizes, *counts, recovered, verdict)
    console.print(table)
    for row in rows:
        if not row["passed"]:
            console.print(f"[red]{row['injury']}[/], seed {row['seed']}:")
            for line in row.get("why", []):
                console.print(f"  {escape(line)}", soft_wrap=True)


def _writer(output: Path | None, *, merge: bool) -> Write:
    """What writes rows into a file, or nowhere. `merge`: each in the place of an earlier one of the
    same injury, and behind the others where there is none.
    """
    if output is None:
        return lambda _: None
    earlier = orjson.loads(output.read_bytes()) if merge and output.exists() else []

    def write(rows: Sequence[Row]) -> None:
        written = list({row["injury"]: row for row in (*earlier, *rows)}.values())
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(
            orjson.dumps(written, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        )

    return write


if __name__ == "__main__":
    typer.run(main)
