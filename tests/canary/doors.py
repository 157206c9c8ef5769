"""The HTTP doors of the services: what they tell, and what they answer to nonsense with marks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from shared.local.ports import HOST
from tests.canary.marks import NOBODY, Marks
from tests.canary.places import METRICS, PAGES
from tests.canary.survey import Survey

_ANSWERS_WITHIN_S: Final = 10.0


async def search_doors(ports: Mapping[str, int], marks: Marks, survey: Survey) -> None:
    """Ask every service all that can be asked, well and badly."""
    for service, port in ports.items():
        metrics = await _ask(port, _get("/metrics"))
        survey.look(METRICS, f"{service} /metrics", [metrics])
        for name, request in _requests(marks.of(NOBODY, "argument")):
            survey.look(PAGES, f"{service} {name}", [await _ask(port, request)])


def _get(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", *headers, "", "")).encode()


def _requests(mark: str) -> Iterator[tuple[str, bytes]]:
    yield "/livez", _get("/livez")
    yield "/readyz", _get("/readyz")
    yield "an unknown path", _get(f"/{mark}")
    yield "a query", _get(f"/readyz?{mark}={mark}")
    yield "a slash too many", _get(f"/readyz/?{mark}")
    yield "an encoded path", _get(f"/%2e%2e/{mark}%00")
    yield "headers", _get("/livez", f"X-{mark}: {mark}", f"Cookie: {mark}", f"Traceparent: {mark}")
    yield "a method", f"{mark} /livez HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    yield "another method", _get("/livez").replace(b"GET", b"DELETE")
    yield "no HTTP", f"{mark}\r\n\r\n".encode()
    yield "a wrong length", _get("/livez", f"Content-Length: {mark}")
    yield "a long header", _get("/livez", f"X: {mark * 10_000}")
    yield "a body", _get("/livez", f"Content-Length: {len(mark)}") + mark.encode()


async def _ask(port: int, request: bytes) -> bytes:
    """All that comes back, also where the server closes before it has read everything."""
    reader, writer = await asyncio.open_connection(HOST, port)
    answer = b""
    try:
        with suppress(OSError):
            writer.write(request)
            writer.write_eof()
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                while part := await reader.read(65_536):
                    answer += part
    finally:
        writer.close()
    return answer
