"""A server that is killed, stays away for as long as it is to, and is started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import uuid
from pathlib import Path

from shared.local.logs import open_log
from shared.local.process import Process

READY_WITHIN_S = 90.0


class Server:
    """Kafka or Postgres. No supervisor: that one would bring it back at once."""

    def __init__(self, process: Process, log: Path) -> None:
        self.name = process.name
        self._process = process
        self._log = log
        self._life: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Of its present life; LookupError where there is none."""
        if self._life is None or self._life.returncode is not None:
            raise LookupError(f"{self.name} does not live now")
        return self._life.pid

    async def start(self) -> None:
        """Start it, and wait until it is ready. Raises TimeoutError."""
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                if self._life is None or self._life.returncode is not None:
                    await self._process.before_start()
                    with open_log(self._log) as output:
                        self._life = await self._process.spawn(output, uuid.uuid4().hex)
                if await self._process.ready() is None:
                    return
                await asyncio.sleep(0.05)  # nothing announces that it is ready

    async def kill(self) -> None:
        """`kill -9`, and wait for its end."""
        os.kill(self.pid, signal.SIGKILL)
        if self._life is not None:
            await self._life.wait()

    async def stop(self) -> None:
        """Stop it in order, or else kill it."""
        life = self._life
        if life is None or life.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            life.send_signal(self._process.stop_signal)
        try:
            await asyncio.wait_for(life.wait(), self._process.stop_within_s)
        except TimeoutError:
            os.killpg(life.pid, signal.SIGKILL)
            await life.wait()
