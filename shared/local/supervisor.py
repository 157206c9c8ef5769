"""Runs processes: starts them in order, reaps them, starts again what died, stops all in reverse
order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, ParamSpec, Self

from shared.local.errors import LocalError, NotReadyError
from shared.local.logs import open_log, rotate, tail
from shared.local.process import Identity, Process, port_of_another
from shared.local.state import Entry, State, clear_orphans, take_lock, write_state

Say = Callable[[str], None]
P = ParamSpec("P")

_ROTATE_EVERY_S = 5.0
_STEADY_AFTER_S = 30.0
"""A process that lived this long has got over what killed it: its next death is a first one again.
"""


def back_off(deaths: int) -> float:
    """Seconds to wait before the next start after so many deaths in a row: 0.2, 0.4, 0.8 … at most
    30.
    """
    return float(min(30.0, 0.2 * 2 ** min(deaths - 1, 10)))


def lossy(say: Callable[P, None]) -> Callable[P, None]:
    """The same, except that what cannot be said is lost: a terminal that was closed, or a disk that
    is full, must end neither the care for what runs nor its stop.
    """

    def said(*arguments: P.args, **named: P.kwargs) -> None:
        # ValueError: a letter that the terminal lacks. SystemExit: of Rich, for a broken pipe.
        with contextlib.suppress(OSError, ValueError, SystemExit):
            say(*arguments, **named)

    return said


@dataclass
class _Kept:
    """A process under supervision, through all its lives."""

    process: Process
    log: Path
    keeper: asyncio.Task[None] | None = None
    life: asyncio.subprocess.Process | None = None
    identity: Identity | None = None
    """Of the present life or, between two, of the last one."""

    restarts: int = 0
    stopping: bool = False


class Supervisor:
    """Owns the folder `run` while it lives (AlreadyRunningError otherwise); logs go to `logs`.

    As a context: takes the lock, clears what a killed predecessor left, and stops everything at the
    end.
    """

    def __init__(self, run: Path, logs: Path, *, say: Say = lambda _: None) -> None:
        self._run = run
        self._logs = logs
        self._say = lossy(say)
        self._lock: IO[str] | None = None
        self._groups: list[list[_Kept]] = []
        self._rotation: asyncio.Task[None] | None = None
        self._written = True
        us = Identity.of(os.getpid())
        assert us is not None  # noqa: S101 - we live
        self._state = State(us.pid, us.created, uuid.uuid4().hex, born=us.born)

    @classmethod
    async def alone(cls, folder: Path, *processes: Process) -> Supervisor:
        """A supervisor for these processes, already started together. Raises NotReadyError where
        one is not ready.
        """
        supervisor = cls(folder / "run", folder / "logs")
        await supervisor.open()
        try:
            for name, why in (await supervisor.start(*processes)).items():
                raise NotReadyError(f"{name} did not start: {why}")
        except BaseException:
            await supervisor.stop()
            raise
        return supervisor

    async def open(self) -> None:
        """Take the folder and clear orphans."""
        self._lock = take_lock(self._run)
        for name in await clear_orphans(self._run):
            self._say(f"stopped {name}, left by a former run that was killed")
        write_state(self._run, self._state)
        self._rotation = asyncio.create_task(self._rotate())

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Who is cancelled meanwhile waits for the end: breaking it off would leave processes."""
        stopping, cancelled = asyncio.create_task(self.stop()), False
        while not stopping.done():
            try:
                await asyncio.shield(stopping)
            except asyncio.CancelledError:
                cancelled = True
        stopping.result()
        if cancelled and error is None:
            raise asyncio.CancelledError

    async def start(self, *processes: Process) -> dict[str, str]:
        """Start these together and wait until each is ready.

        Raises NotReadyError, with the end of its log, for a required process that ends or is not
        ready in time. For the others, returns by name what is still missing: they stay under
        supervision.
        """
        group = [_Kept(process, self._logs / f"{process.name}.log") for process in processes]
        self._groups.append(group)
        started: list[asyncio.Task[str | None]] = []
        failed: Sequence[Exception] = ()
        try:
            async with asyncio.TaskGroup() as tasks:
                started += [tasks.create_task(self._start(kept)) for kept in group]
        except* LocalError as failures:
            failed = failures.exceptions
        if failed:  # raised above, Python before 3.11.4 would make a group of it again
            raise failed[0]
        missing = {
            kept.process.name: task.result() for kept, task in zip(group, started, strict=True)
        }
        return {name: what for name, what in missing.items() if what}

    def note(
        self,
        *,
        phase: str | None = None,
        addresses: Mapping[str, str] | None = None,
        given: tuple[str, ...] = (),
        not_ready: Mapping[str, str] | None = None,
    ) -> None:
        """Write down, for other commands, how far it is and where things are. No passwords."""
        self._state = replace(
            self._state,
            phase=phase or self._state.phase,
            addresses=addresses or self._state.addresses,
            given=given or self._state.given,
            not_ready=not_ready or self._state.not_ready,
        )
        self._write()

    @property
    def state(self) -> State:
        """What runs now, as it stands on disk."""
        return self._state

    def pid(self, name: str) -> int:
        """The process id of the present life of a process; KeyError when it does not live now."""
        lives = (kept.life for kept in self._all() if kept.process.name == name)
        for life in lives:
            if life is not None and life.returncode is None:
                return life.pid
        raise KeyError(name)

    def restarts(self, name: str) -> int:
        """How often it was started again."""
        return next(kept.restarts for kept in self._all() if kept.process.name == name)

    async def stop(self) -> None:
        """Stop what was started last first; those that were started together, together."""
        self.note(phase="stopping")
        while self._groups:
            await asyncio.gather(*(self._stop(kept) for kept in self._groups[-1]))
            self._groups.pop()
        if self._rotation:
            await _end(self._rotation)
        self.note(phase="stopped")
        if self._lock:
            self._lock.close()

    async def _start(self, kept: _Kept) -> str | None:
        await kept.process.before_start()
        await self._spawn(kept)
        kept.keeper = asyncio.create_task(self._keep(kept))
        missing = await self._await_ready(kept)
        if missing and kept.process.required:
            last = "\n".join(tail(kept.log, 15))
            raise NotReadyError(
                f"{kept.process.name} did not start: {missing}. The end of {kept.log}:\n{last}"
            )
        return missing

    async def _await_ready(self, kept: _Kept) -> str | None:
        """What is missing when the time is up; None as soon as nothing is."""
        missing: str | None = "it was not ready in time"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(kept.process.start_within_s):
                while missing := await _missing_from(kept):
                    if kept.process.required and kept.restarts:
                        return "it ended by itself"
                    await asyncio.sleep(0.05)
        return missing

    async def _spawn(self, kept: _Kept) -> None:
        with open_log(kept.log) as output:
            kept.life = await kept.process.spawn(output, self._state.marker)
        kept.identity = Identity.of(kept.life.pid, self._state.marker)
        self._write()

    async def _keep(self, kept: _Kept) -> None:
        """Wait for each death, and start again after a while, until it is to stop."""
        clock = asyncio.get_running_loop().time
        deaths, born = 0, clock()
        while kept.life:
            code = await kept.life.wait()
            if kept.stopping:
                return
            deaths = 1 if clock() - born > _STEADY_AFTER_S else deaths + 1
            kept.restarts += 1
            pause = back_off(deaths)
            self._say(
                f"{kept.process.name} ended ({_ending(code)}); starting again in {pause:.1f} s"
            )
            self._write()
            await asyncio.sleep(pause)
            born = clock()
            await self._again(kept)

    async def _again(self, kept: _Kept) -> None:
        """Start once more. What keeps it from starting is said and tried again."""
        while True:
            try:
                await kept.process.before_start()
                await self._spawn(kept)
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody else tries again
                # Of errors that nobody foresaw the text may hold anything.
                why = str(error) if isinstance(error, LocalError | OSError) else ""
                why = why or type(error).__name__
                self._say(f"{kept.process.name} cannot be started ({why}); trying again")
                await asyncio.sleep(back_off(kept.restarts))
            else:
                return

    async def _stop(self, kept: _Kept) -> None:
        kept.stopping = True
        if kept.life and kept.life.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                kept.life.send_signal(kept.process.stop_signal)
            try:
                await asyncio.wait_for(kept.life.wait(), kept.process.stop_within_s)
            except TimeoutError:
                self._say(
                    f"{kept.process.name} did not stop in {kept.process.stop_within_s} s; killed"
                )
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(kept.life.pid, signal.SIGKILL)
                await kept.life.wait()
        if kept.keeper:
            await _end(kept.keeper)
        kept.identity = None

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(_ROTATE_EVERY_S)
            if not self._written:
                self._write()
            for kept in self._all():
                with contextlib.suppress(OSError):  # a full disk; tried again
                    await asyncio.to_thread(rotate, kept.log)

    def _all(self) -> list[_Kept]:
        return [kept for group in self._groups for kept in group]

    def _entries(self) -> list[Entry]:
        return [
            Entry(
                name=kept.process.name,
                pid=kept.identity.pid,
                created=kept.identity.created,
                ports=kept.process.ports,
                log=str(kept.log),
                stop_signal=kept.process.stop_signal,
                restarts=kept.restarts,
                born=kept.identity.born,
            )
            for kept in self._all()
            if kept.identity
        ]

    def _write(self) -> None:
        """What runs, for others. A disk that is full must not end the care for what runs: then it
        is written as soon as it can be.
        """
        self._state = replace(self._state, processes=tuple(self._entries()))
        try:
            write_state(self._run, self._state)
        except OSError as error:
            if self._written:
                self._say(f"what runs cannot be written down ({error.strerror}); trying again")
            self._written = False
        else:
            self._written = True


async def _missing_from(kept: _Kept) -> str | None:
    missing = await kept.process.ready()
    if missing or not kept.life:
        return missing
    return await asyncio.to_thread(port_of_another, kept.life.pid, kept.process.ports.values())


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel it and wait for its end. What it failed of must not keep others from stopping."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _ending(code: int) -> str:
    """How a process ended, for a person to read."""
    if code >= 0:
        return f"exit code {code}"
    named = {number.value: number.name for number in signal.Signals}
    return f"signal {named.get(-code, -code)}"  # most real-time signals have no name
