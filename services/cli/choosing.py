"""What commands about any service share: which ones are meant, and their settings."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.schemas import SERVICES

if TYPE_CHECKING:
    from shared.runtime.settings import ServiceSettings

Service = Annotated[
    str | None, typer.Option("--service", help=f"One of {', '.join(SERVICES)}; else all.")
]


def chosen(service: str | None) -> tuple[str, ...]:
    """The one that was named, or all. Raises what Typer tells as a wrong argument."""
    if service is not None and service not in SERVICES:
        raise typer.BadParameter(f"one of {', '.join(SERVICES)}", param_hint="--service")
    return SERVICES if service is None else (service,)


def settings_of(service: str) -> ServiceSettings:
    """From the environment. Raises SettingsError."""
    settings: ServiceSettings = importlib.import_module(
        f"services.{service}.settings"
    ).Settings.load()
    return settings
