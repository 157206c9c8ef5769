"""Asking a process on this machine whether it does its work."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import ssl
import struct
from collections.abc import Mapping
from typing import Final

from shared.local.ports import HOST

_TIMEOUT_S = 2.0

HELLOS: Final[Mapping[str, bytes]] = {
    # ApiVersions, version 0: length, API 18, version, correlation id, no client id.
    "kafka": struct.pack(">ihhih", 10, 18, 0, 0, -1),
    # SSLRequest: length and code; the answer is one letter.
    "postgres": struct.pack(">ii", 8, 80877103),
}
"""What a server answers before anybody has signed in, by the name of its port."""


async def missing_from_port(
    port: int, host: str = HOST, *, hello: bytes = b"", tls: ssl.SSLContext | None = None
) -> str | None:
    """None when something accepts connections there and, after a `hello`, says anything at all.

    A process that is stopped or stuck still has its connections accepted, by the kernel.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
            with contextlib.closing(writer):
                writer.write(hello)
                answered = not hello or await reader.read(1) != b""
            await writer.wait_closed()
    except ConnectionRefusedError:
        return f"nothing listens on {host}:{port}"
    except ssl.SSLError as error:
        return f"{host}:{port} and this client do not agree on certificates ({error.reason})"
    except (OSError, TimeoutError):
        answered = False
    return None if answered else f"{host}:{port} does not answer"


async def missing_from_service(port: int) -> str | None:
    """What `/readyz` on this port says is missing; None when the service is ready."""
    return await asyncio.to_thread(_readyz, port)


def _readyz(port: int) -> str | None:
    try:
        status, body = answer_of(port, "/readyz")
        if status == http.client.OK:
            return None
        if status != http.client.SERVICE_UNAVAILABLE:
            return "it does not answer"  # what does is no service
        missing = json.loads(body).get("missing", {})
    except (OSError, ValueError):
        return "it does not answer"
    return "; ".join(f"{part}: {why}" for part, why in missing.items()) or "not ready"


def answer_of(port: int, path: str) -> tuple[int, bytes]:
    """The status and body that a process of this machine answers to GET. Raises OSError where none
    does. It is asked itself, whatever proxy the environment names.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_S)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"{HOST}:{port} does not speak HTTP") from error
