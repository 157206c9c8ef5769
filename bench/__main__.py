"""`python -m bench [NAME…]`: measure, show, and write `results/latest.json`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer
import uvloop
from rich.console import Console
from rich.table import Table

from bench import memory, throughput
from bench.ground import prepared
from bench.registry import BENCHMARKS, Row
from bench.servers import Servers, running_servers
from shared.runtime.collector import spare_the_collector
from shared.runtime.logging import configure_logging

RESULTS = Path(__file__).parent / "results" / "latest.json"

MEASURED = (throughput, memory)  # importing them fills the registry


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Some of them; else all.")] = None,
    registrations: Annotated[
        int, typer.Option(min=100, max=1_000_000, help="In the topic before it begins.")
    ] = 50_000,
    output: Annotated[Path, typer.Option(help="Where the rows are written.")] = RESULTS,
) -> None:
    """Measure on this machine, all on the same Kafka and Postgres."""
    unknown = sorted(set(names or ()) - BENCHMARKS.keys())
    if unknown:
        listed = ", ".join(BENCHMARKS)
        raise typer.BadParameter(f"no benchmark {', '.join(unknown)}; there are: {listed}")
    console = Console()
    configure_logging("bench", "console", "error")
    spare_the_collector()  # as in a service's process; all that is measured has it
    # As Ctrl-C does: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with console.status("starting Kafka and PostgreSQL") as status, running_servers() as servers:

        def tell(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(text)

        wanted = names or list(BENCHMARKS)
        rows = uvloop.run(_measure(servers, wanted, registrations, tell))
    _show(rows, console)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


async def _measure(
    servers: Servers, names: Sequence[str], registrations: int, tell: Callable[[str], None]
) -> list[Row]:
    ground = await prepared(servers, registrations, tell)
    await ground.results.measure(names)
    return ground.results.rows


def _show(rows: Sequence[Row], console: Console) -> None:
    table = Table("benchmark", "value", "unit", "aim", "")
    for row in rows:
        aim, met = "", ""
        if row["aim"] is not None:
            aim = f"{'≥' if row['better'] == 'higher' else '≤'} {row['aim']:g}"
            met = "[green]met[/green]" if row["met"] else "[red]missed[/red]"
        digits = 2 if row["value"] < 100 else 0
        table.add_row(row["name"], f"{row['value']:,.{digits}f}", row["unit"], aim, met)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
