"""The life of a service's process: loops that are kept running, health, and an orderly stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.routing import BaseRoute

from shared.runtime.database import describe
from shared.runtime.health import Heartbeats
from shared.runtime.http import HttpServer, health_routes
from shared.runtime.metrics import LOOP_RESTARTS
from shared.runtime.settings import ServiceSettings
from shared.runtime.tasks import where_tasks_stand

FIRST_BACK_OFF_S = 0.5
LONGEST_BACK_OFF_S = 30.0
# A loop that ran for so long had recovered: its next failure is a new one.
HEALTHY_AFTER_S = 60.0

# Shares of `stop_timeout_s`: loops finish what they hold; those that do not are cancelled, which
# rolls back; then connections are closed. The rest is for requests in work.
_FINISH_SHARE = 0.55
_CANCEL_SHARE = 0.15
_CLOSE_SHARE = 0.15

_log = structlog.get_logger(__name__)


class Loop:
    """What a running loop knows of its process."""

    def __init__(self, name: str, heartbeats: Heartbeats, stopping: asyncio.Event) -> None:
        self.name = name
        self._heartbeats = heartbeats
        self._stopping = stopping
        self._beat_every_s = 1.0

    @property
    def stopping(self) -> bool:
        """Whether to finish what is in hand and return."""
        return self._stopping.is_set()

    def beat(self) -> None:
        """Say that the loop is alive; at least every `heartbeat_s` seconds."""
        self._heartbeats.beat(self.name)

    def missing(self, why: str) -> None:
        """Say that the loop lives but cannot do its work: a reason of our own, no error's text."""
        self._heartbeats.missing(self.name, why)

    def ok(self) -> None:
        """Say that the loop does its work again."""
        self._heartbeats.ok(self.name)

    async def pause(self, seconds: float) -> None:
        """Wait, beating; return early when the process is to stop."""
        remaining = seconds
        while remaining > 0 and not self.stopping:
            self.beat()
            slice_s = min(remaining, self._beat_every_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), slice_s)
            remaining -= slice_s
        self.beat()

    async def unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work that may be given up half done when the process is to stop: what it asks may
        never answer any more.
        """
        doing = asyncio.create_task(work)
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((doing, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            doing.cancel()  # nothing happens to it where it is done
        await asyncio.wait((doing,))
        if not doing.cancelled():
            doing.result()

    async def wait_for_stop(self) -> None:
        """Return when the process is to stop. Does not beat: another must."""
        await self._stopping.wait()


LoopFunction = Callable[[Loop], Awaitable[None]]
StopFunction = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Registered:
    name: str
    run: LoopFunction
    heartbeat_s: float


class Application:
    """One service's process. Register loops and closings, then `run` until a signal or `stop`."""

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        routes: Sequence[BaseRoute] = (),
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.heartbeats = heartbeats or Heartbeats()
        self.stopping = asyncio.Event()
        self.started = asyncio.Event()
        self.http_port = 0
        self._routes = list(routes)
        self._loops: list[_Registered] = []
        self._closings: list[tuple[str, StopFunction]] = []
        self._at_once = asyncio.Event()

    def loop(self, name: str, run: LoopFunction, heartbeat_s: float = 30.0) -> None:
        """Keep `run` running; `/livez` fails when it is silent for more than `heartbeat_s`.

        It returns only once `Loop.stopping` is set; when it raises or returns earlier it is
        started again after a growing pause.
        """
        self._loops.append(_Registered(name, run, heartbeat_s))

    def on_stop(self, name: str, close: StopFunction) -> None:
        """Call `close` after all loops have ended; last registered, first called."""
        self._closings.append((name, close))

    def stop(self) -> None:
        """Begin an orderly stop, as SIGTERM does; a second call cancels what still runs."""
        if self.stopping.is_set():
            self._at_once.set()
        self.stopping.set()

    async def run(self) -> None:
        """Run until SIGTERM, SIGINT or `stop`; return within `stop_timeout_s` after that.

        Raises `PortError` when the HTTP port cannot be used; a failing loop is never raised.
        """
        server = self._start_http()
        unlisten = self._listen_to_signals()
        tasks = [
            asyncio.create_task(self._keep_running(loop), name=loop.name) for loop in self._loops
        ]
        _log.info("started", service=self.name, port=server.port)
        self.started.set()
        try:
            await self.stopping.wait()
            _log.info("stopping", service=self.name)
        finally:
            self.stopping.set()
            self.heartbeats.missing("process", "is stopping")
            await self._end(tasks)
            await server.stop()
            unlisten()
            _log.info("stopped", service=self.name)

    def _start_http(self) -> HttpServer:
        server = HttpServer(
            self.settings.http_host,
            self.settings.http_port,
            [*health_routes(self.heartbeats), *self._routes],
        )
        self.http_port = server.port
        server.start()
        if self.settings.http_port_file is not None:
            server.write_port(self.settings.http_port_file)
        return server

    def _listen_to_signals(self) -> Callable[[], None]:
        running = asyncio.get_running_loop()
        heard = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
            signal.SIGUSR1: self._tell_where_tasks_stand,
        }

        def unlisten() -> None:
            for number in heard:
                running.remove_signal_handler(number)

        for number, act in heard.items():
            running.add_signal_handler(number, act)
        return unlisten

    def _tell_where_tasks_stand(self) -> None:
        for task, calls in where_tasks_stand().items():
            _log.warning("where a task stands", task=task, calls=calls)

    async def _keep_running(self, registered: _Registered) -> None:
        heartbeats, name = self.heartbeats, registered.name
        heartbeats.expect(name, registered.heartbeat_s)
        back_off_s = FIRST_BACK_OFF_S
        running = asyncio.get_running_loop()
        while not self.stopping.is_set():
            began = running.time()
            try:
                await registered.run(Loop(name, heartbeats, self.stopping))
                if self.stopping.is_set():
                    break
                _log.error("a loop ended by itself", loop=name)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other loops go on
                _log.error("a loop failed", loop=name, **describe(error))
            if running.time() - began > HEALTHY_AFTER_S:
                back_off_s = FIRST_BACK_OFF_S
            # No beat while waiting: a loop that only ever fails is to look dead.
            heartbeats.missing(name, "failed, is started again")
            LOOP_RESTARTS.labels(name).inc()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), back_off_s)
            back_off_s = min(back_off_s * 2, LONGEST_BACK_OFF_S)
            heartbeats.ok(name)
        heartbeats.forget(name)

    async def _end(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        budget_s = self.settings.stop_timeout_s
        if tasks:
            at_once = asyncio.create_task(self._at_once.wait())
            finished = asyncio.create_task(asyncio.wait(tasks))
            await asyncio.wait(
                (at_once, finished),
                timeout=budget_s * _FINISH_SHARE,
                return_when=asyncio.FIRST_COMPLETED,
            )
            at_once.cancel()
            finished.cancel()
        for task in tasks:
            if not task.done():
                _log.warning("a loop did not finish in time and is cancelled", loop=task.get_name())
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=budget_s * _CANCEL_SHARE)
        await self._close_all(budget_s * _CLOSE_SHARE)

    async def _close_all(self, budget_s: float) -> None:
        ends_at = asyncio.get_running_loop().time() + budget_s
        for name, close in reversed(self._closings):
            try:
                async with asyncio.timeout_at(ends_at):
                    await close()
            except Exception as error:  # noqa: BLE001 - the rest must be closed too
                _log.warning("closing failed", what=name, **describe(error))
