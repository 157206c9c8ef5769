"""Processes of services: started anew whenever they die, each life as somebody decides."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from services.cli.processes import ProcessSpec
from shared.local.readiness import missing_from_service
from tests.faults.life import Death, live

LEAVES_WITHIN_S = 10.0
"""What is promised of a service that is told to stop, whatever it is doing."""

STOP_WITHIN_S = 15.0
"""Whatever still lives then is killed."""

BEGINS_WITHIN_S = 5.0
"""A process that is younger may not listen to signals yet: SIGTERM or SIGUSR1 ends it as any."""

NextDeath = Callable[[], Death | None]


def fork_server() -> ForkServerContext:
    """Forks lives off a process that has imported everything: a start costs no two seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.life"])
    return context


@dataclass
class Life:
    """A process from start to end."""

    process: ForkServerProcess
    born: float
    death: Death | None
    """Where it was told to end, if it was."""

    ended: asyncio.Event = field(default_factory=asyncio.Event)
    works: asyncio.Event = field(default_factory=asyncio.Event)
    """Its first batch has committed."""

    worked_at: float | None = None
    was_killed: bool = False
    """By somebody else than itself: it was sent SIGKILL."""

    @property
    def ended_as_wanted(self) -> bool:
        """Whether it was killed, or ended itself where it had been told to."""
        wanted = self.was_killed or self.death is not None
        return wanted and self.process.exitcode == -signal.SIGKILL

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal, if it still lives."""
        if not self.ended.is_set() and self.process.pid is not None:
            self.was_killed = self.was_killed or number == signal.SIGKILL
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    def watch(self, told: Connection) -> None:
        """Have its events set as it goes on."""
        loop = asyncio.get_running_loop()
        loop.add_reader(told.fileno(), self._hear, told)
        loop.add_reader(self.process.sentinel, self._end)

    def _hear(self, told: Connection) -> None:
        try:
            told.recv_bytes()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(told.fileno())
            told.close()
        else:
            self.worked_at = time.monotonic()
            self.works.set()

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self.process.sentinel)
        self.process.join()
        self.ended.set()


class Replica:
    """One process of a service, through all its lives. Its name is that of all that are alike."""

    def __init__(
        self,
        context: ForkServerContext,
        spec: ProcessSpec,
        environ: Mapping[str, str],
        log: Path,
        tell: Callable[[str], None],
    ) -> None:
        """`tell` is called with a sentence where a life ends though nobody wanted it to."""
        self.spec = spec
        self.port = int(environ["STEWARD_HTTP_PORT"])
        self.deaths = 0
        self.next_death: NextDeath = lambda: None
        self.longest_recovery_s = 0.0
        """From the begin of a life after another to the first batch that it has committed."""

        self._context = context
        self._environ = dict(environ)
        self._log = log
        self._tell = tell
        self._stopping = False
        self._present: Life | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def present(self) -> Life | None:
        """The present life, if there is one."""
        return self._present if self._present and not self._present.ended.is_set() else None

    def start(self) -> None:
        """Begin the first life, and another one after each."""
        self._present = self._begin()
        self._keeper = asyncio.create_task(self._keep(self._present))

    async def leave(self) -> float:
        """Stop it, and say how many seconds that took. Raises AssertionError where it was not the
        orderly end that is promised.
        """
        life, began = self._present, time.monotonic()
        assert life is not None, f"{self.name} was never begun"
        await self.stop()
        took, age = time.monotonic() - began, began - life.born
        wrong = why_no_orderly_end(life.process.exitcode, took, age)
        assert wrong is None, f"{self.name} {wrong}"
        return took

    async def stop(self) -> None:
        """Let the present life end as an operator would; kill it where it does not."""
        self._stopping = True
        life = self._present
        if life is not None:
            life.kill(signal.SIGCONT)
            life.kill(signal.SIGTERM)
            try:
                await asyncio.wait_for(life.ended.wait(), STOP_WITHIN_S)
            except TimeoutError:
                life.kill(signal.SIGKILL)
                await life.ended.wait()
        if self._keeper is not None:
            await self._keeper

    async def missing(self) -> str | None:
        """What it says of its readiness."""
        return await missing_from_service(self.port)

    async def _keep(self, life: Life) -> None:
        while True:
            await life.ended.wait()
            if self.deaths and life.worked_at is not None:
                self.longest_recovery_s = max(self.longest_recovery_s, life.worked_at - life.born)
            if self._stopping:
                return
            self.deaths += 1
            if not life.ended_as_wanted:
                code = life.process.exitcode
                self._tell(f"{self.name} ended with {code} though nobody had killed it")
            life = self._present = self._begin()

    def _begin(self) -> Life:
        told, telling = self._context.Pipe(duplex=False)
        death = self.next_death()
        process = self._context.Process(
            target=live,
            args=(self.spec.service, self._environ, self._log, telling, death),
        )
        process.start()
        telling.close()
        life = Life(process, time.monotonic(), death)
        life.watch(told)
        return life


def why_no_orderly_end(exit_code: int | None, took_s: float, age_s: float) -> str | None:
    """What is wrong with the end of a process that was told to stop at this age; None: nothing."""
    if took_s > LEAVES_WITHIN_S:
        return f"took {took_s:.1f} s to stop; {LEAVES_WITHIN_S:.0f} s are promised"
    if exit_code == 0 or (exit_code == -signal.SIGTERM and age_s < BEGINS_WITHIN_S):
        return None
    return f"was told to stop and ended with {exit_code}"
