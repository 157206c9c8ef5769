"""Steward's own services for benchmarks: in this process, or each as a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.stage import PLAN, Stage
from services.registration.app import open_service
from services.registration.settings import Settings
from shared.local.readiness import missing_from_service
from shared.messaging.application import compose
from shared.messaging.kafka import KafkaTransport
from shared.messaging.processing import Tools
from shared.messaging.steps import Step
from shared.runtime.database import without_credentials
from shared.runtime.ids import new_id

READY_WITHIN_S = 60.0
ROOT = Path(__file__).parents[1]


@dataclass
class Clocked:
    """Knows when the first records were taken (`time.perf_counter`; 0 until then)."""

    began_at: float = 0.0

    def step(self, step: Step) -> None:
        """A step of the service."""
        if step == "taken" and not self.began_at:
            self.began_at = time.perf_counter()


@asynccontextmanager
async def registration_service(stage: Stage, **over: int) -> AsyncIterator[Clocked]:
    """The registration service as it really is, but for these settings, in this event loop."""
    settings = Settings.model_validate(
        {
            "kafka_bootstrap_servers": stage.bootstrap_servers,
            "database_url": stage.database_url,
            "secrets": stage.secrets.path,
            "plan": PLAN,
            "log_level": "warning",
            **over,
        }
    )
    clocked = Clocked()
    async with open_service(settings) as service:
        application = compose(service, KafkaTransport(settings), Tools(steps=clocked.step))
        running = asyncio.create_task(application.run())
        try:
            yield clocked
        finally:
            application.stop()
            await running


async def facts_per_second(stage: Stage, expected: int, **over: int) -> float:
    """How fast the registration service says so many facts, from the first record that it takes.

    What it is to take is in the topic already. It ends with the last fact that the broker has
    acknowledged.
    """
    async with stage.watched("registration") as facts:
        before = await facts.total()
        async with registration_service(stage, **over) as service:
            ended = await facts.until(before + expected)
        return expected / (ended - service.began_at)


@asynccontextmanager
async def service_process(stage: Stage, service: str, **over: str) -> AsyncIterator[psutil.Process]:
    """A service as a process of its own, ready; `over` are variables of its environment.

    It chooses its port itself: of several that start at once two could be given the same one, and
    who cannot have it would be taken for ready, since the other answers. RuntimeError where it ends
    instead.
    """
    port_file = stage.folder / f"{service}-{new_id()}.port"
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": stage.bootstrap_servers,
        "DATABASE_URL": without_credentials(stage.database_url),
        "STEWARD_SECRETS": str(stage.secrets.path),
        "STEWARD_PLAN": str(PLAN),
        "STEWARD_LOG_LEVEL": "warning",
        "STEWARD_HTTP_PORT": "0",
        "STEWARD_HTTP_PORT_FILE": str(port_file),
        **over,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "run", service),
        env=environment,
        cwd=ROOT,
        start_new_session=True,  # as `steward up` does: Linux shares processors out by session
    )
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while (port := _port_in(port_file)) is None or await missing_from_service(port):
                if process.returncode is not None:
                    raise RuntimeError(f"{service} ended with exit code {process.returncode}")
                await asyncio.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _port_in(file: Path) -> int | None:
    return int(file.read_text("ascii")) if file.exists() else None
