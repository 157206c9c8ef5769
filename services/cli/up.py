"""`steward up`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from services.cli.environment import home_folder, plan_path, secrets_path
from services.cli.processes import NAMES
from services.cli.system import Options, Ports, System, running_system
from shared.local.logs import open_log, rotate, tail
from shared.local.state import State, read_state
from shared.local.supervisor import lossy

_DETACHED_LOG = "up.log"
_POLL_S = 0.1
_MOST_REPLICAS = 8  # a topic has as many partitions

_console = Console(highlight=False)


@dataclass(frozen=True)
class Asked:
    """What the command line asks for. `replicas` is of the form `process=number`."""

    ports: Ports
    brokers: int | None = None
    replicas: tuple[str, ...] = ()

    def options(self) -> Options:
        """With what the environment says. Raises BadParameter for an unknown process or number."""
        return Options(
            home=home_folder(),
            plan=plan_path(),
            secrets=secrets_path(),
            ports=self.ports,
            brokers=self.brokers,
            replicas=dict(_replicas(text) for text in self.replicas),
            say=_say,
        )

    def arguments(self) -> list[str]:
        """The same for another process of this command."""
        numbers = {
            "--kafka-port": self.ports.kafka,
            "--postgres-port": self.ports.postgres,
            "--http-port": self.ports.http,
            "--brokers": self.brokers,
        }
        given = [part for name, value in numbers.items() if value for part in (name, str(value))]
        return given + [part for text in self.replicas for part in ("--replicas", text)]


def _replicas(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in NAMES or not number.isdecimal() or not 1 <= int(number) <= _MOST_REPLICAS:
        raise typer.BadParameter(
            f"--replicas {text!r}: expected PROCESS=NUMBER, one of {', '.join(NAMES)} and "
            f"a number from 1 to {_MOST_REPLICAS}"
        )
    return name, int(number)


def run_here(asked: Asked) -> int:
    """Start, stay until a signal, stop. The exit code: 0 however late the signal came."""
    return asyncio.run(_stay(asked.options()))


def run_detached(asked: Asked) -> int:
    """Start the same in a process of its own. The exit code: 0 when all is ready; 1 with what it
    said where it ended, or with what is not ready where it stays.
    """
    asked.options()  # what is wrong with it is told here, not in a log
    log = home_folder() / "logs" / _DETACHED_LOG
    rotate(log)
    # For appending: where a system runs already, this is its log.
    with open_log(log) as output:
        before = log.stat().st_size
        child = subprocess.Popen(  # noqa: S603 - ourselves
            _command(asked),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        state = _await_running(child)
    except KeyboardInterrupt:  # which the child does not hear
        child.terminate()
        child.wait()
        raise
    if state is None:
        said = tail(log, 20, max_bytes=log.stat().st_size - before)
        # Where the disk is full, it could not say why.
        nothing = (
            f"steward: it ended with {child.returncode}, and nothing is in {log}: is the disk full?"
        )
        sys.stderr.write("\n".join(said or [nothing]) + "\n")
        return 1
    _show_what_is_missing(state.not_ready)
    _console.print(
        f"running as process {child.pid}; `steward status` shows it, `steward down` stops it"
    )
    return int(bool(state.not_ready))


def _command(asked: Asked) -> list[str]:
    return [sys.executable, "-m", "services.cli", "up", *asked.arguments()]


async def _stay(asked: Options) -> int:
    """The first signal cancels the work, whatever it is at; leaving its context stops all."""
    work = asyncio.create_task(_run(asked))
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` has it
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, _be_told, work)
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return 0


def _be_told(work: asyncio.Task[None]) -> None:
    """Later signals change nothing: breaking off the stop would leave processes behind."""
    already = bool(work.cancelling())
    if not already:
        work.cancel()
    _say("stopping already" if already else "stopping")


async def _run(asked: Options) -> None:
    async with running_system(asked) as system:
        _show(asked, system)
        await asyncio.Event().wait()


def _await_running(child: subprocess.Popen[bytes]) -> State | None:
    """The state once all was started; None when the child ended instead."""
    folder = home_folder() / "run"
    while child.poll() is None:
        state = read_state(folder)
        if state is not None and state.pid == child.pid and state.phase == "running":
            return state
        time.sleep(_POLL_S)
    return None


@lossy
def _show(asked: Options, system: System) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("process", "pid", "where"):
        table.add_column(column)
    for entry in system.supervisor.state.processes:
        port = next(iter(entry.ports.values()))
        where = f"http://127.0.0.1:{port}" if "http" in entry.ports else f"127.0.0.1:{port}"
        table.add_row(entry.name, str(entry.pid), where)
    _console.print(table)
    _show_what_is_missing(system.not_ready)
    _console.print(
        f"logs: {_shorter(asked.log_folder)}   secrets: {_shorter(asked.secrets_folder.path)}"
    )


def _show_what_is_missing(not_ready: Mapping[str, str]) -> None:
    for name, why in not_ready.items():
        _console.print(f"[bold red]{name} is not ready:[/] {why} (steward logs {name})")


def _shorter(path: Path) -> str:
    """Relative to where we are, when it is below."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


@lossy
def _say(what: str) -> None:
    _console.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {what}")
