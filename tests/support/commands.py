"""Commands as a user calls them, on the servers of a test."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from typer import Typer
from typer.testing import CliRunner

from shared.runtime.settings import ServiceSettings, variable_of

NOWHERE = ServiceSettings(
    kafka_bootstrap_servers="127.0.0.1:1",
    database_url="postgresql://127.0.0.1:1/none",
    secrets=Path("none"),
    plan=Path(__file__).parents[2] / "plan.toml",
)
"""For commands that end before they need a server."""


def hear_interrupts() -> None:
    """For a process that a test interrupts, before it begins: who starts the tests in the
    background may have had SIGINT ignored, and children inherit that.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Answered:
    """What a command left."""

    code: int
    out: str
    err: str


def environment_of(settings: ServiceSettings) -> Mapping[str, str]:
    """The variables from which a command reads these settings."""
    kind = type(settings)
    of_the_log = {
        variable_of(kind, name): str(value)
        for name in kind.model_fields
        if name.startswith("audit_") and (value := getattr(settings, name)) is not None
    }
    return {
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "DATABASE_URL": settings.database_url,
        "STEWARD_SECRETS": str(settings.secrets),
        "STEWARD_PLAN": str(settings.plan),
        "COLUMNS": "200",
        **of_the_log,
    }


async def command(
    app: Typer, settings: ServiceSettings, *arguments: str, given: str | None = None
) -> Answered:
    """Run `steward … ARGUMENTS`, with this text as standard input."""
    result = await asyncio.to_thread(
        CliRunner().invoke, app, list(arguments), input=given, env=environment_of(settings)
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answered(result.exit_code, result.stdout, result.stderr)
