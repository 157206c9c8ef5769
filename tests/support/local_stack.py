"""Kafka and Postgres for one test session, in a thread of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import psutil

from shared.local.kafka import LocalKafka
from shared.local.postgres import LocalPostgres
from shared.local.state import clear_orphans

T = TypeVar("T")

MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it have names of their own
ROOM_BYTES = 2 * 2**30
"""Servers of three processes take less than half a gigabyte."""

# Nothing that a test keeps has to survive the machine.
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class LoopThread:
    """An event loop that outlives the loops of single tests."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end on that loop; the caller waits."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class LocalStack:
    """Starts each server when it is first asked for; `stop` stops them and removes their data."""

    def __init__(self) -> None:
        self._thread = LoopThread()
        self._servers = AsyncExitStack()
        self._thread.run(_clear_former())
        self._folder = _own_folder()

    def kafka(self) -> str:
        server = LocalKafka(self._folder / "kafka")
        return self._thread.run(self._servers.enter_async_context(server)).bootstrap_servers

    def postgres(self) -> str:
        server = LocalPostgres(self._folder / "postgres", settings=_FAST)
        return self._thread.run(self._servers.enter_async_context(server)).url

    def stop(self) -> None:
        self._thread.run(self._servers.aclose())
        self._thread.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _own_folder() -> Path:
    """Below this user's folder, named after our process.

    Open to `nobody`, as whom Postgres runs for root.
    """
    parents = _parents()
    roomy = (one for one in parents if shutil.disk_usage(one.parent).free >= ROOM_BYTES)
    parent = next(roomy, parents[-1])
    parent.mkdir(mode=0o711, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
    folder.chmod(0o711)
    return folder


def _parents() -> list[Path]:
    """This user's folder in memory, where making a database for each test does not wait for a
    disk, and the one on a disk.
    """
    name = f"steward-tests-{os.getuid()}"
    return [one / name for one in (MEMORY, Path(tempfile.gettempdir())) if one.is_dir()]


async def _clear_former() -> None:
    """Stop and remove what sessions left that were killed."""
    for former in _former_folders():
        for server in ("kafka", "postgres"):
            await clear_orphans(former / server / "run")
        shutil.rmtree(former, ignore_errors=True)


def _former_folders() -> list[Path]:
    folders = [path for parent in _parents() if parent.is_dir() for path in parent.iterdir()]
    return [path for path in folders if not psutil.pid_exists(int(path.name.split("-", 1)[0]))]
