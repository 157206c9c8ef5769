"""Asking a process on this machine whether it does its work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import struct
import urllib.error
import urllib.request
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
    url = f"http://{HOST}:{port}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        with error:
            missing = json.load(error).get("missing", {})
        return "; ".join(f"{part}: {why}" for part, why in missing.items()) or "not ready"
    except (OSError, ValueError):
        return "it does not answer"
