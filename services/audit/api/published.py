"""The published log over HTTP, for any client of C2SP `tlog-tiles`; the prefix is the root."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from services.audit.domain.tiles import parse_path
from services.audit.store.folder import CHECKPOINT

_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOW: Final = {"Cache-Control": "no-cache"}


def routes(folder: Path) -> list[BaseRoute]:
    """The newest checkpoint, tiles and bundles of entries, as they lie in the folder."""

    def checkpoint(_: Request) -> Response:
        return _file(folder / CHECKPOINT, "text/plain; charset=utf-8", _NOW)

    def tile(request: Request) -> Response:
        resource = parse_path(f"tile/{request.path_params['rest']}")
        if resource is None:
            return _missing()
        return _file(folder / resource.path, "application/octet-stream", _FOR_EVER)

    return [
        Route(f"/{CHECKPOINT}", checkpoint),
        Route("/tile/{rest:path}", tile, middleware=[Middleware(GZipMiddleware)]),
    ]


def _file(path: Path, media_type: str, headers: dict[str, str]) -> Response:
    # A file that was replaced stays whole for who has opened it: the response opens it itself.
    if not path.is_file():
        return _missing()
    return FileResponse(path, media_type=media_type, headers=headers)


def _missing() -> Response:
    return PlainTextResponse("not here", status_code=404, headers=_NOW)
