"""`steward finance`: invoices, said again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from shared.messaging.republishing import SaidAgain

app = typer.Typer(
    help="Invoices for events with a fee.", no_args_is_help=True, add_completion=False
)


@app.callback()
def finance() -> None:
    """Invoices for events with a fee."""


@app.command()
def republish() -> None:
    """Say every invoice and credit note again, for readers who missed it.

    It ends once Kafka has all of it: then a partition of the topic `finance` that stands still may
    go on (`steward positions`).

    Exit code 1: Kafka has not, as the service does not run or Kafka is away.

    Example: steward finance republish
    """
    said = asyncio.run(_republish())
    typer.echo(said.told, err=said.waiting > 0)
    raise typer.Exit(1 if said.waiting else 0)


async def _republish() -> SaidAgain:
    from services.finance.handlers import republish_invoices
    from services.finance.settings import Settings
    from shared.assembly import open_parts
    from shared.contract.finance import TOPIC
    from shared.messaging.republishing import SaidAgain, published, say_again
    from shared.runtime.clock import utc_now

    async with open_parts(Settings.load(), service="finance") as parts:
        facts = await say_again(lambda: parts.work(now=utc_now()), republish_invoices)
        return SaidAgain(facts, await published(parts.pool, TOPIC))
