"""`python -m bench.plots`: draw `results/curves.json` into `docs/plots/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.curves import CURVES, Curves

FOLDER = Path(__file__).parents[1] / "docs" / "plots"

# Equal figures make an equal file: no date, and ids that are not random.
_SAME: dict[Any, Any] = {"svg.hashsalt": "steward", "svg.fonttype": "path", "font.size": 10}
_SIZE = (6.4, 3.6)
_GREY = "#888888"


def main(
    curves: Annotated[Path, typer.Option(help="What `python -m bench.curves` wrote.")] = CURVES,
    folder: Annotated[Path, typer.Option(help="Where the plots are written.")] = FOLDER,
) -> None:
    """Draw both curves as SVG.

    For example: python -m bench.plots --folder /tmp/plots
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in draw(orjson.loads(curves.read_bytes()), folder):
        typer.echo(str(file))


def draw(curves: Curves, folder: Path) -> list[Path]:
    """The files that were written."""
    with rc_context(_SAME):
        return [
            _save(_throughput(curves), folder / "throughput.svg"),
            _save(_latency(curves), folder / "latency.svg"),
        ]


def _throughput(curves: Curves) -> Figure:
    points = curves["throughput"]
    batches = [point["batch"] for point in points]
    figure, axes = _axes("messages in a batch, at most", "messages a second")
    axes.plot(
        batches, [point["bare_loop"] for point in points], "o--", color=_GREY, label="bare loop"
    )
    axes.plot(batches, [point["steward"] for point in points], "o-", label="registration service")
    axes.set_xscale("log")
    axes.set_xticks(batches, [f"{batch:,}" for batch in batches])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure


def _latency(curves: Curves) -> Figure:
    points = curves["latency"]
    rates = [point["registrations_a_second"] for point in points]
    figure, axes = _axes("registrations a second through all services", "milliseconds")
    p50 = [point["p50_ms"] for point in points]
    p99 = [point["p99_ms"] for point in points]
    for color, name, values, aim in (("C0", "p50", p50, 15), ("C1", "p99", p99, 50)):
        axes.plot(rates, values, "o-", color=color, label=name)
        axes.axhline(aim, color=color, linewidth=0.9, linestyle=":", label=f"{name}, aim")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.legend(frameon=False)
    return figure


def _axes(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, file: Path) -> Path:
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file


if __name__ == "__main__":
    typer.run(main)
