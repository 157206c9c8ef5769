"""`steward subjects forget` and `steward subjects pepper new`."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import typer

from services.cli.environment import secrets_path
from services.cli.office import open_office
from shared.runtime.clock import utc_now
from shared.runtime.secrets import SecretsFolder


def day(text: str) -> date:
    """A day as ISO 8601 writes it, today at the latest; else what Typer tells."""
    try:
        asked = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("expected a day, as 2027-01-31", param_hint="--before") from None
    if asked > utc_now().date():
        raise typer.BadParameter("this day is yet to come", param_hint="--before")
    return asked


def run_forget(before: date) -> int:
    """Delete aliases, and say how many; the exit code."""

    async def forgotten() -> int:
        async with open_office() as office:
            zone = ZoneInfo(office.parts.privacy.plan.organisation.time_zone)
            while True:
                async with office.work() as tx:
                    if not await office.privacy.retire(tx.connection, tx.now):
                        break
            async with office.work() as tx:
                return await office.privacy.forget(tx, datetime.combine(before, time(), zone))

    typer.echo(f"{asyncio.run(forgotten())} addresses and numbers are forgotten")
    return 0


def run_new_pepper() -> int:
    """Make the next pepper, and say what is to be done; the exit code."""
    name = SecretsFolder(secrets_path()).new_pepper()
    typer.echo(f"{name} is made; back the folder up")
    typer.echo("stop every service, copy the folder to each machine that has it, and start them")
    return 0
