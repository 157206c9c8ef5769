"""The HTTP server inside a service's event loop: `/livez`, `/readyz`, `/metrics`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from shared.runtime.health import Heartbeats
from shared.runtime.metrics import READY

_BACKLOG = 128


class PortError(Exception):
    """The port that was asked for cannot be used; the text says which and why."""


def health_routes(heartbeats: Heartbeats) -> list[BaseRoute]:
    """`/livez` is for who restarts the process, `/readyz` for who waits for it, as Kubernetes has.

    Both answer 200 or 503 with a JSON object of what is missing and why.
    """

    async def livez(_: Request) -> Response:
        return _answer(heartbeats.late())

    async def readyz(_: Request) -> Response:
        return _answer(heartbeats.not_ready())

    async def metrics(_: Request) -> Response:
        READY.set(not heartbeats.not_ready())
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]


def _answer(missing: dict[str, str]) -> Response:
    return JSONResponse({"missing": missing}, status_code=503 if missing else 200)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: stopping is decided by the application."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves routes on a port that is known before the first request."""

    def __init__(self, host: str, port: int, routes: Sequence[BaseRoute]) -> None:
        self._socket = _listen(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        application = Starlette(routes=list(routes))
        # It would answer a slash too many with an address that repeats the request's query.
        application.router.redirect_slashes = False
        self._server = _Server(
            uvicorn.Config(
                application,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer; returns at once."""
        self._task = asyncio.create_task(self._server.serve([self._socket]), name="http")

    async def stop(self) -> None:
        """Finish the requests in work, for a second at most."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()

    def write_port(self, file: Path) -> None:
        """Tell who started the process; the file is whole whenever it is there."""
        new = file.with_name(f".{file.name}.new")
        new.write_text(f"{self.port}\n", "ascii")
        new.replace(file)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PortError(
            f"STEWARD_HTTP_PORT: cannot listen on {host}:{port} ({error.strerror});"
            " 0 takes any free port"
        ) from None
    listener.setblocking(False)
    return listener
