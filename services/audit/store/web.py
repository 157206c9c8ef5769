"""Small requests over HTTP, to a published log or a witness. A connection is kept between them."""

from __future__ import annotations

import http.client
from typing import Final, NamedTuple
from urllib.parse import urlsplit

TIMEOUT_S: Final = 10.0
MOST_BYTES: Final = 32 * 1024 * 1024
"""A bundle of 256 of the longest entries has 17 MB."""

_NOT_FOUND: Final = 404
_FAILURES: Final = (OSError, http.client.HTTPException)


class WebError(Exception):
    """The server was not reached, or did not answer as it should; the text says how."""


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes


class Site:
    """Everything below one URL. Blocks; for one thread at a time."""

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        """Raises `WebError` where it is no URL."""
        parts = urlsplit(url.rstrip("/"))
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            raise WebError(f"{url} is no URL: it has to begin with http:// or https://")
        self.url = url.rstrip("/")
        self._prefix = parts.path
        try:
            port = parts.port
        except ValueError:
            raise WebError(f"{url} is no URL: its port is no number") from None
        kind: type[http.client.HTTPConnection] = http.client.HTTPConnection
        if parts.scheme == "https":
            kind = http.client.HTTPSConnection
        self._connection = kind(parts.hostname, port, timeout=timeout_s)

    def read(self, path: str) -> bytes | None:
        """The bytes of a resource; None where it is not there. Raises `WebError`."""
        answer = self.request("GET", path)
        if answer.status == _NOT_FOUND:
            return None
        if answer.status != http.client.OK:
            raise WebError(f"{self.url}/{path} answered {answer.status}")
        return answer.body

    def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Ask once, and again where a kept connection was closed. Raises `WebError`."""
        if self._connection.sock is not None:
            try:
                return self._ask(method, path, body)
            except _FAILURES:
                self._connection.close()
        try:
            return self._ask(method, path, body)
        except _FAILURES as error:
            self._connection.close()
            raise WebError(f"{self.url} cannot be reached ({type(error).__name__})") from None

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None) -> Answer:
        self._connection.request(method, f"{self._prefix}/{path}", body)
        response = self._connection.getresponse()
        data = response.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise http.client.HTTPException("the answer is too long")
        return Answer(response.status, data)
