"""Who may read: this machine's browser, once it has shown the token that was printed at start."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from secrets import compare_digest
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""What a browser on this machine calls it, on whichever port of a tunnel."""

COOKIE: Final = "steward_console"
SIGN_IN: Final = "/sign-in"

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class NotSignedInError(Exception):
    """The browser has shown no token, or not this process's."""


class ForeignRequestError(Exception):
    """A page of another origin made the browser ask."""


@dataclass(frozen=True, slots=True)
class Access:
    """Two secrets of one process, each drawn at its start: the printed one, and the cookie's."""

    token: str
    session: str

    def sign_in(self, request: Request) -> Response:
        """Exchange the token for the cookie, and lead away from the address that it stands in.

        Raises `NotSignedInError`.
        """
        if not _same(request.query_params.get("token", ""), self.token):
            raise NotSignedInError
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(COOKIE, self.session, httponly=True, samesite="strict")
        return response

    def check(self, request: Request) -> None:
        """Raises `NotSignedInError` and `ForeignRequestError`."""
        # Told by the browser itself. Cookies know no ports: the page of another server on this
        # machine would count as the same site.
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            raise ForeignRequestError
        if not _same(request.cookies.get(COOKIE, ""), self.session):
            raise NotSignedInError


def _same(given: str, secret: str) -> bool:
    return compare_digest(given.encode(), secret.encode())


def is_loopback(host: str) -> bool:
    """Whether an address or name to listen on is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class LoopbackNames:
    """Answers to the names of this machine alone: a name server may have sent the page of somebody
    else here under its own name (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what was asked by one of these names."""
        app = self._app if _asked_by_name(Headers(scope=scope).get("host", "")) else _MISDIRECTED
        await app(scope, receive, send)


def _asked_by_name(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK_NAMES
    except ValueError:
        return False


_MISDIRECTED: Final = PlainTextResponse(
    "The console answers to 127.0.0.1, localhost and [::1] alone, not to this name. From another"
    " machine it is reached through a tunnel: ssh -L 8795:127.0.0.1:8795 HOST\n",
    status_code=421,
)


class SafeHeaders:
    """Every answer says that nothing but its own style belongs to it, and that nobody keeps it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with these headers too."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)
