"""One life of a service's process: the service as it really is, save that it may be told to end at
a step.

This entry point is the only way to be told so: nothing in the service listens for it.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

import uvloop

from services.audit import app as audit
from services.consent import app as consent
from services.finance import app as finance
from services.registration import app as registration
from services.retention import app as retention
from shared.messaging.application import compose
from shared.messaging.kafka import KafkaTransport
from shared.messaging.processing import Tools
from shared.messaging.steps import Step
from shared.runtime.logging import configure_logging
from shared.runtime.memory import spare_the_collector
from shared.runtime.settings import ServiceSettings

LOADED = (audit, consent, finance, registration, retention)
"""Whoever forks lives off the process that imported this starts each of them at once."""


@dataclass(frozen=True, slots=True)
class Death:
    """`kill -9` by its own hand, when a step is passed for the n-th time."""

    step: Step
    passing: int


@dataclass
class Steps:
    """Tells when the first batch has committed; ends the process where it was told to."""

    told: Connection
    death: Death | None
    passed: int = 0
    works: bool = False

    def __call__(self, step: Step) -> None:
        if step == "committed" and not self.works:
            self.works = True
            self.told.send_bytes(b"works")
        if self.death is not None and step == self.death.step:
            self.passed += 1
            if self.passed == self.death.passing:
                os.kill(os.getpid(), signal.SIGKILL)


def live(
    service: str, environ: Mapping[str, str], log: Path, told: Connection, death: Death | None
) -> None:
    """Run the service until SIGTERM, until it is killed, or until who started it is gone."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    threading.Thread(target=_follow_parent, daemon=True).start()
    settings = importlib.import_module(f"services.{service}.settings").Settings.load(environ)
    configure_logging(service, settings.log_format, settings.log_level)
    spare_the_collector()
    uvloop.run(_run(service, settings, Steps(told, death)))


async def _run(service: str, settings: ServiceSettings, steps: Steps) -> None:
    app = importlib.import_module(f"services.{service}.app")
    async with app.open_service(settings) as opened:
        await compose(opened, KafkaTransport(settings), Tools(steps=steps)).run()


def _follow_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)
