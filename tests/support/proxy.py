"""A network between services and a server that can be made worse: a small TCP proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.local.ports import HOST

CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for no seconds: a closed socket sends RST and forgets what it held."""


@dataclass(eq=False)
class Link:
    """One connection through the proxy, in both directions."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    swallows: bool = False
    """Half open: what comes from either side goes nowhere, and neither side is told, not even that
    the other one has given up.
    """

    def reset(self) -> None:
        """End both sides as a network that breaks does."""
        for writer in (self.client, self.server):
            found = writer.get_extra_info("socket")
            if found is not None:
                with contextlib.suppress(OSError):
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


@dataclass
class Proxy:
    """Listens on `port` for as long as it is open and passes on to `target` what it is sent."""

    port: int
    target: int
    delay_s: float = 0.0
    """Added to everything, each way."""

    cut: bool = False
    """New connections are reset at once."""

    reset_at_bytes: int | None = None
    """The next request of so many bytes or more is passed on in half; then its link is reset."""

    on_reset: Callable[[], None] = lambda: None
    links: set[Link] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def close(self) -> None:
        """End all links and listen no more."""
        if self._server is not None:
            self._server.close()
        self.reset_all()

    def reset_all(self) -> None:
        """Reset every link there is."""
        for link in list(self.links):
            link.reset()

    def swallow_all(self) -> None:
        """Leave every link there is half open, for ever; new ones pass."""
        for link in self.links:
            link.swallows = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            Link(writer, writer).reset()
            return
        try:
            from_server, to_server = await asyncio.open_connection(HOST, self.target)
        except OSError:
            Link(writer, writer).reset()
            return
        link = Link(writer, to_server)
        self.links.add(link)
        requests = asyncio.create_task(self._pass_on(link, reader, to_server, requests=True))
        answers = asyncio.create_task(self._pass_on(link, from_server, writer, requests=False))
        await asyncio.wait((requests, answers), return_when=asyncio.FIRST_COMPLETED)
        if link.swallows:
            await asyncio.wait((requests, answers))
        for task in (requests, answers):
            task.cancel()
        self.links.discard(link)
        writer.transport.abort()
        to_server.transport.abort()

    async def _pass_on(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        requests: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if link.swallows:
                    continue
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                limit = self.reset_at_bytes
                if requests and limit is not None and len(chunk) >= limit:
                    self.reset_at_bytes = None
                    writer.write(chunk[: len(chunk) // 2])
                    await writer.drain()
                    link.reset()
                    self.on_reset()
                    return
                writer.write(chunk)
                await writer.drain()
