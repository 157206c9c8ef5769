"""`steward audit console`: the web console, on loopback."""

from __future__ import annotations

import asyncio
import secrets
import signal
from dataclasses import dataclass

import typer
from starlette.routing import Mount

from services.audit.api.console.access import SIGN_IN, Access, is_loopback
from services.audit.api.console.application import console
from services.audit.api.console.desk import Desk
from services.audit.handlers.identity import signing_key
from services.audit.handlers.witnesses import witnesses_of
from services.audit.settings import Settings
from services.audit.store.sources import folder_log
from shared.assembly import open_parts
from shared.runtime.clock import utc_now
from shared.runtime.http import HttpServer, PortError
from shared.runtime.logging import configure_logging


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    host: str
    port: int


def run_console(asked: Asked) -> int:
    """Serve until Ctrl-C or SIGTERM; the exit code."""
    if not is_loopback(asked.host):
        raise typer.BadParameter(
            "the console listens on loopback only, since whoever has its address may read it;"
            " reach it from elsewhere through `ssh -L`",
            param_hint="--host",
        )
    settings = Settings.load()
    configure_logging("console", settings.log_format, settings.log_level)
    try:
        asyncio.run(serve(settings, asked))
    except PortError:
        typer.echo(f"cannot listen on {asked.host}:{asked.port}: give another --port", err=True)
        return 1
    return 0


async def serve(settings: Settings, asked: Asked) -> None:
    """Serve until SIGINT or SIGTERM. Raises PortError, and what opening the parts raises."""
    access = Access(token=secrets.token_urlsafe(32), session=secrets.token_urlsafe(32))
    async with open_parts(settings, service="audit") as parts:
        desk = Desk(
            parts.pool,
            parts.privacy,
            folder_log(settings.published_folder),
            [signing_key(settings).verifier(), *(key for key, _ in witnesses_of(settings))],
            utc_now,
        )
        server = HttpServer(asked.host, asked.port, [Mount("/", console(desk, access))])
        stop = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        server.start()
        typer.echo(f"http://{_in_url(server.host)}:{server.port}{SIGN_IN}?token={access.token}")
        typer.echo("whoever has this address may read the log; Ctrl-C ends", err=True)
        await stop.wait()
        await server.stop()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
