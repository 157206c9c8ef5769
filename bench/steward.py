"""Steward's own services for benchmarks: in this process, or each as a process of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.ground import PLAN, Ground
from services.registration.app import open_service
from services.registration.settings import Settings
from shared.messaging.application import compose
from shared.messaging.kafka import KafkaTransport
from shared.messaging.processing import Tools
from shared.messaging.steps import Step


@dataclass
class Clocked:
    """Knows when the first records were taken (`time.perf_counter`; 0 until then)."""

    began_at: float = 0.0

    def step(self, step: Step) -> None:
        """A step of the service."""
        if step == "taken" and not self.began_at:
            self.began_at = time.perf_counter()


@asynccontextmanager
async def registration_service(ground: Ground) -> AsyncIterator[Clocked]:
    """The registration service as it really is, in this event loop."""
    settings = Settings(
        KAFKA_BOOTSTRAP_SERVERS=ground.bootstrap_servers,
        DATABASE_URL=ground.database_url,
        secrets=ground.secrets.path,
        plan=PLAN,
        log_level="warning",
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
