"""`steward plan`: the information management plan, judged before anything runs by it."""

from __future__ import annotations

import typer

from services.cli.plan.apply import apply
from services.cli.plan.check import check
from services.cli.plan.diff import diff
from services.cli.plan.stored import history, show
from services.cli.plan.writing import notice, record

app = typer.Typer(
    help="The information management plan.", no_args_is_help=True, add_completion=False
)


@app.callback()
def plan() -> None:
    """The information management plan."""


app.command()(check)
app.command()(record)
app.command()(notice)
app.command()(diff)
app.command()(apply)
app.command()(history)
app.command()(show)
