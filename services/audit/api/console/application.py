"""Puts the console together: its addresses, who may read them, and what is said when it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, cast

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from services.audit.api.console.access import (
    SIGN_IN,
    Access,
    ForeignRequestError,
    LoopbackNames,
    NotSignedInError,
    SafeHeaders,
)
from services.audit.api.console.desk import Desk
from services.audit.api.console.forms import FormError
from services.audit.api.console.pages import NotThereError, Pages
from services.audit.api.console.rendering import make_environment
from services.audit.domain.entries import SpoiledEntryError
from shared.runtime.database import describe, is_transient

Endpoint = Callable[[Request], Awaitable[Response]]

NOT_FOUND: Final = 404
_NO_PAGE: Final = ("Not found", "There is no such page. The links above lead on.")
_STATIC: Final = Path(__file__).with_name("static")

_log = structlog.get_logger(__name__)


def console(desk: Desk, access: Access) -> Starlette:
    """The application. It answers loopback names alone, and only who has signed in."""
    pages = Pages(desk, make_environment())
    guard = _Guard(pages, access)
    shown: list[tuple[str, Endpoint]] = [
        ("/", pages.entries),
        ("/entries/{sequence:int}", pages.entry),
        ("/people", pages.people),
        ("/people/{subject:uuid}", pages.person),
        ("/recipients", pages.recipients),
        ("/recipients/{name}", pages.recipient),
        ("/checkpoints", pages.checkpoints),
    ]
    return Starlette(
        routes=[
            Mount("/static", StaticFiles(directory=_STATIC)),
            Route(SIGN_IN, guard.sign_in),
            Route("/people", guard.watching(pages.find_person), methods=["POST"]),
            *(Route(path, guard.watching(endpoint)) for path, endpoint in shown),
        ],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(LoopbackNames),
        ],
        exception_handlers={HTTPException: guard.not_here},
    )


class _Guard:
    """Lets nobody pass who has not signed in; of a failure it tells what it is, and no values."""

    def __init__(self, pages: Pages, access: Access) -> None:
        self._pages = pages
        self._access = access

    async def sign_in(self, request: Request) -> Response:
        """The address that is printed at start."""
        try:
            return self._access.sign_in(request)
        except NotSignedInError:
            return self._not_signed_in()

    def watching(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, for who may see it."""

        async def watched(request: Request) -> Response:
            try:
                self._access.check(request)
                return await endpoint(request)
            except NotSignedInError:
                return self._not_signed_in()
            except ForeignRequestError:
                what = "Another page sent the browser here. Open the console by its own address."
                return self._pages.told(403, "Not from here", what, signed_in=False)
            except FormError as error:
                return self._pages.told(400, "The request cannot be read", str(error))
            except NotThereError as error:
                return self._pages.told(NOT_FOUND, "Not found", str(error))
            except Exception as error:  # noqa: BLE001 - whatever it is, a page tells it
                return self._failed(error)

        return watched

    async def not_here(self, request: Request, error: Exception) -> Response:
        """What Starlette's router has no page for."""
        try:
            self._access.check(request)
        except (NotSignedInError, ForeignRequestError):
            return self._not_signed_in()
        # It is registered for these alone.
        status = cast("HTTPException", error).status_code
        if status == NOT_FOUND:
            return self._pages.told(status, *_NO_PAGE)
        return self._pages.told(status, "Not possible", "The console only shows.")

    def _not_signed_in(self) -> Response:
        return self._pages.told(
            401,
            "Not signed in",
            "Open the whole address that “steward audit console” printed when it started.",
            "It is good until that command ends; each start prints another one.",
            signed_in=False,
        )

    def _failed(self, error: Exception) -> Response:
        # A failure's text may quote the data that it met: never shown, never logged.
        _log.warning("a page of the console failed", **describe(error))
        if isinstance(error, SpoiledEntryError):
            return self._pages.told(500, "The log was changed", str(error))
        if isinstance(error, TimeoutError) or getattr(error, "sqlstate", None) in _TOO_LONG:
            return self._pages.told(
                503, "This took too long", "Narrow it down: fewer days, or another filter."
            )
        if is_transient(error):
            return self._pages.told(
                503,
                "The database cannot be reached",
                "See “steward status”, or check DATABASE_URL, and load the page again.",
            )
        return self._pages.told(
            500,
            "This should not happen",
            "The terminal where the console runs says where it failed: please report that.",
        )


_TOO_LONG: Final = frozenset({"57014", "25P04"})
"""SQLSTATE: cancelled by a time-out; the transaction took too long."""
