"""`steward audit witness`: over HTTP (C2SP `tlog-witness`); both prefixes are the root."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from services.audit.commands.keys import read_key
from services.audit.domain.notes import NoteError
from services.audit.domain.witness import ADD_CHECKPOINT, CONFLICT, SIZE_TYPE, Refusal
from services.audit.handlers.witness import Witness, WitnessError
from services.audit.store.folder import FolderError
from shared.runtime.http import HttpServer, PortError

MOST_BYTES: Final = 64 * 1024
"""Of a request: 63 hashes and a note of 64 signatures have 15 KB."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    log_keys: Sequence[str]
    folder: Path
    name: str
    host: str
    port: int


def run_witness(asked: Asked) -> int:
    """Serve until Ctrl-C or SIGTERM; the exit code."""
    logs = [read_key(one, "--log-key") for one in asked.log_keys]
    try:
        witness = Witness(asked.folder, asked.name, logs, lambda: int(time.time()))
    except (WitnessError, FolderError) as error:
        typer.echo(str(error), err=True)
        return 1
    except NoteError as error:
        raise typer.BadParameter(str(error), param_hint="--name") from None
    try:
        asyncio.run(_serve(witness, asked))
    except PortError:
        typer.echo(f"cannot listen on {asked.host}:{asked.port}: give another --port", err=True)
        return 1
    finally:
        witness.close()
    return 0


async def _serve(witness: Witness, asked: Asked) -> None:
    server = HttpServer(asked.host, asked.port, routes(witness))
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    server.start()
    typer.echo(f"{witness.verifier} http://{server.host}:{server.port}")
    typer.echo("the line above is for STEWARD_AUDIT_WITNESSES of the log; Ctrl-C ends", err=True)
    await stop.wait()
    await server.stop()


def routes(witness: Witness) -> list[BaseRoute]:
    """What a log asks for, and what monitors read."""

    async def add_checkpoint(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return PlainTextResponse("too long\n", status_code=413)
        try:
            return PlainTextResponse(witness.add_checkpoint(body).line)
        except Refusal as refusal:
            # Without the charset that would be added to a media type.
            kind = {"Content-Type": SIZE_TYPE} if refusal.status == CONFLICT else None
            return PlainTextResponse(str(refusal), refusal.status, headers=kind)
        except FolderError:
            return PlainTextResponse("the folder cannot be written\n", status_code=500)

    def checkpoint(request: Request) -> Response:
        note = witness.checkpoint(request.path_params["origin"])
        if note is None:
            return PlainTextResponse("not here", status_code=404)
        return PlainTextResponse(note)

    return [
        Route(f"/{ADD_CHECKPOINT}", add_checkpoint, methods=["POST"]),
        Route("/{origin}/checkpoint", checkpoint),
    ]
