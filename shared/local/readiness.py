"""Asking a process on this machine whether it does its work."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request

from shared.local.ports import HOST

_TIMEOUT_S = 2.0


async def missing_from_port(port: int, host: str = HOST) -> str | None:
    """None when something accepts connections there."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        return f"nothing listens on {host}:{port}"
    return None


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
