"""`steward subjects forget` and `steward subjects pepper new`."""

from __future__ import annotations

import asyncio

import typer

from services.cli.environment import secrets_path
from services.cli.office import open_office
from shared.runtime.secrets import SecretsFolder


def run_forget() -> int:
    """Delete aliases, and say how many; the exit code."""

    async def forgotten() -> int:
        async with open_office() as office:
            while True:
                async with office.work() as tx:
                    if not await office.privacy.retire(tx.connection, tx.now):
                        break
            async with office.work() as tx:
                return await office.privacy.forget(tx)

    typer.echo(f"{asyncio.run(forgotten())} addresses and numbers are forgotten")
    return 0


def run_new_pepper() -> int:
    """Make the next pepper, and say what is to be done; the exit code."""
    name = SecretsFolder(secrets_path()).new_pepper()
    typer.echo(f"{name} is made; back the folder up")
    typer.echo("stop every service, copy the folder to each machine that has it, and start them")
    return 0
