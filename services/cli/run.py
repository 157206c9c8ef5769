"""One service in the foreground; migration by hand."""

from __future__ import annotations

import asyncio
import importlib

import typer
import uvloop

from services.cli.environment import plan_path, secrets_path
from services.cli.niceness import give_way, niceness_of
from services.cli.schemas import SERVICES
from shared.contract.services import SERVICES as SPECS
from shared.contract.services import ServiceSpec
from shared.runtime.logging import configure_logging
from shared.runtime.memory import give_back_large_blocks, spare_the_collector
from shared.runtime.secrets import SecretsFolder
from shared.runtime.settings import ServiceSettings, TopicSettings


def run_service(name: str) -> None:
    """Run the service until it is told to stop. An unknown name is a wrong argument."""
    if name not in SERVICES:
        raise typer.BadParameter(
            f"there is no service {name!r}; choose one of {', '.join(SERVICES)}"
        )
    settings = importlib.import_module(f"services.{name}.settings").Settings.load()
    configure_logging(name, settings.log_format, settings.log_level)
    give_way(niceness_of(_spec(name), settings))
    from shared.messaging import application  # after the settings: what is wrong there is told soon

    app = importlib.import_module(f"services.{name}.app")
    spare_the_collector()
    give_back_large_blocks()

    async def until_told_to_stop() -> None:
        async with app.open_service(settings) as service:
            await application.run_service(service)

    uvloop.run(until_told_to_stop())


def _spec(name: str) -> ServiceSpec:
    return next(spec for spec in SPECS if spec.name == name)


def run_migration() -> None:
    """Migrate the servers that the environment names, as the administrator of the database, and say
    what was done.
    """
    from services.cli.migration import (
        loud_services,
        migrate_everything,
        refuse_other_secrets,
        warning_of,
    )
    from shared.local.administrator import administrator_url

    secrets = SecretsFolder(secrets_path())
    settings = ServiceSettings.load().model_copy(update={"secrets": secrets.path})
    secrets.create()
    database_url = administrator_url(settings.database_url, secrets)
    asyncio.run(refuse_other_secrets(database_url, settings))
    files, topics = asyncio.run(
        migrate_everything(
            database_url,
            settings.cluster,
            secrets,
            plan_path(),
            replication_factor=TopicSettings.load().replication_factor,
        )
    )
    loud = asyncio.run(loud_services(database_url, secrets))
    if warning := warning_of(loud):
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"{len(files)} migrations run, {len(topics)} topics made; all is up to date")
