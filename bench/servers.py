"""Kafka and Postgres for some benchmarks, on an event loop of their own.

What is measured has another loop, uvloop as in a service's process, and that one to itself.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.local.kafka import LocalKafka
from shared.local.postgres import LocalPostgres
from shared.runtime.secrets import SecretsFolder


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they are; `database_url` is the administrator's. Logs and data are below `folder`."""

    bootstrap_servers: str
    database_url: str
    secrets: SecretsFolder
    folder: Path


@contextmanager
def running_servers(postgres_settings: Mapping[str, str] | None = None) -> Iterator[Servers]:
    """Both, with the settings that `steward up` gives them and nothing in them; removed after.

    `postgres_settings` are added to Postgres's own.
    """
    folder = Path(tempfile.mkdtemp(prefix="steward-bench-"))
    folder.chmod(0o711)  # Postgres does not run as root, and looks below
    secrets = SecretsFolder(folder / "secrets")
    secrets.create()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()
    kafka = LocalKafka(folder / "kafka")
    postgres = LocalPostgres(folder / "postgres", settings=postgres_settings)
    try:
        for server in (kafka, postgres):
            asyncio.run_coroutine_threadsafe(stack.enter_async_context(server), loop).result()
        yield Servers(kafka.bootstrap_servers, postgres.url, secrets, folder)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        shutil.rmtree(folder, ignore_errors=True)
