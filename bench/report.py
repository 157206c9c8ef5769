"""`python -m bench.report`: put the figures of `results/latest.json` into `docs/performance.md`.

The page has places for them, between `<!-- figures: NAME -->` and `<!-- end -->`; what is written
by hand stands around these. A test compares the page with the results.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from bench.__main__ import RESULTS
from bench.registry import Row

SLOWER = RESULTS.with_name("slower-machine.json")
"""What the same benchmarks came to on a slower machine."""

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_PLACE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 where it differs.")
    ] = False,
    page: Annotated[Path, typer.Option(help="The page.")] = PAGE,
    results: Annotated[Path, typer.Option(help="What `make bench` wrote.")] = RESULTS,
    slower: Annotated[Path, typer.Option(help="Rows to be shown beside.")] = SLOWER,
) -> None:
    """Write the tables of the page anew from the results.

    For example: python -m bench.report --check
    """
    before = page.read_text("utf-8")
    after = filled(before, orjson.loads(results.read_bytes()), orjson.loads(slower.read_bytes()))
    if check:
        raise typer.Exit(before != after)
    page.write_text(after, "utf-8")


def filled(page: str, rows: Sequence[Row], slower: Sequence[Row] = ()) -> str:
    """The page with these figures, and those of a slower machine beside them.

    KeyError where a place has a name that is none of ours.
    """
    return _PLACE.sub(lambda place: place[1] + TABLES[place[2]](rows, slower) + place[3], page)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    written = [head, ["---", *("---:" for _ in head[1:])], *lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in written)


def _all(rows: Sequence[Row], slower: Sequence[Row]) -> str:
    beside = {row["name"]: row for row in slower}
    lines = [
        [
            f"`{row['name']}`",
            f"{_figure(row['value'])} {row['unit']}",
            _spread(row),
            _aim(row),
            _beside(beside.get(row["name"])),
        ]
        for row in rows
    ]
    return _table(["benchmark", "median", "spread", "aim", "slower machine"], lines)


def _beside(row: Row | None) -> str:
    if row is None:
        return ""
    return _figure(row["value"]) + ("" if row["aim"] is None else f": {_met(row)}")


def _processes(rows: Sequence[Row], _: Sequence[Row]) -> str:
    each = _details(rows, "cpu-with-servers")
    total = sum(float(str(value)) for value in each.values())
    lines = [[f"`{name}`", f"{value}"] for name, value in each.items()]
    return _table(["process", "µs for a registration"], [*lines, ["all", f"{total:.1f}"]])


def _memory(rows: Sequence[Row], _: Sequence[Row]) -> str:
    lines = [
        [f"`{row['name'].removeprefix('memory-')}`", _figure(row["value"]), str(grown)]
        for row in rows
        if (grown := row.get("details", {}).get("mb_per_million")) is not None
    ]
    return _table(["service", "MB at most", "MB more for each million"], lines)


def _tables(rows: Sequence[Row], _: Sequence[Row]) -> str:
    lines = []
    for name, called in (
        ("inbox-size", "`{}.inbox`, filled"),
        ("kept-size", "`{}`"),
        ("outbox-size", "`{}.outbox`"),
        ("counts-size", "`{}.outcome_count`"),
    ):
        for place, about in _details(rows, name).items():
            assert isinstance(about, Mapping)
            settings = ", ".join(f"`{setting}`" for setting in about["settings"])
            lines.append(
                [
                    called.format(place),
                    *(f"{about[key]:,}" for key in ("rows", "table_mb", "index_mb")),
                    *(f"{about[key]:,}" for key in ("dead_rows", "autovacuums")),
                    settings or "the server's",
                ]
            )
    head = ["table", "rows", "MB", "MB of indexes", "dead rows", "autovacuums", "settings"]
    return _table(head, lines)


TABLES: Mapping[str, Callable[[Sequence[Row], Sequence[Row]], str]] = {
    "all": _all,
    "processes": _processes,
    "memory": _memory,
    "tables": _tables,
}


def _details(rows: Sequence[Row], name: str) -> Mapping[str, object]:
    return next((row.get("details", {}) for row in rows if row["name"] == name), {})


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def _spread(row: Row) -> str:
    spread = row.get("spread")
    return "" if spread is None else f"{spread:.0%}"


def _aim(row: Row) -> str:
    if row["aim"] is None:
        return ""
    sign = "≥" if row["better"] == "higher" else "≤"
    return f"{sign} {row['aim']:g}: {_met(row)}"


def _met(row: Row) -> str:
    return "met" if row["met"] else "**missed**"


if __name__ == "__main__":
    typer.run(main)
