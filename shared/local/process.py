"""A process to run: what a supervisor needs to know of it, and how it is recognised later."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import psutil

# Every process that we start carries this variable; with process id and creation time it proves
# whose it is.
MARKER_VARIABLE = "STEWARD_SUPERVISOR"

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
"""Where Linux tells one boot of the machine from another."""

# Times of creation move with the clock when that is set: a little each time it is corrected.
_SAME_TIME_S = 2.0


async def nothing_to_do() -> None:
    """The step before the start of a process that needs none."""


@dataclass(frozen=True)
class Process:
    """A process to run. `env` is its whole environment; `user` needs root.

    `ready` returns None when the process does its work, else a sentence that says what is missing.
    `before_start` comes before every start, also after a crash; it clears what a killed process
    left behind. A `required` process that ends before it was ready fails the start; another is
    started again.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: Callable[[], Awaitable[str | None]]
    before_start: Callable[[], Awaitable[None]] = nothing_to_do
    ports: Mapping[str, int] = field(default_factory=dict)
    cwd: Path | None = None
    user: str | None = None
    required: bool = True
    stop_signal: int = signal.SIGTERM
    stop_within_s: float = 10.0
    start_within_s: float = 60.0

    async def spawn(self, output: BinaryIO, marker: str) -> asyncio.subprocess.Process:
        """Start it in a session of its own: a terminal's Ctrl-C reaches the supervisor alone."""
        return await asyncio.create_subprocess_exec(
            *self.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**self.env, MARKER_VARIABLE: marker},
            cwd=self.cwd,
            start_new_session=True,
            **_as_account(self.user),
        )


def _as_account(user: str | None) -> dict[str, Any]:
    """What makes a new process an account's, which needs root; without one it is as we are."""
    if user is None:
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def plain_environment() -> dict[str, str]:
    """What a server needs of ours; variables such as PGDATA or JAVA_TOOL_OPTIONS would change what
    it does.
    """
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ} | {
        "LC_ALL": "C",
        "TZ": "UTC",
    }


@dataclass(frozen=True)
class Identity:
    """A process as it can be recognised after the supervisor that started it is gone.

    `created` in seconds since the epoch, `born` as `_born` has it. That alone tells where it is
    known: a virtual machine that was held, or one that boots with a wrong clock, has that set while
    everything runs.
    """

    pid: int
    created: float
    marker: str | None = None
    born: str | None = None

    @classmethod
    def of(cls, pid: int, marker: str | None = None) -> Identity | None:
        """None where no such process lives any more."""
        try:
            process = psutil.Process(pid)
            return cls(pid, process.create_time(), marker, _born(process))
        except psutil.NoSuchProcess:
            return None

    def alive(self) -> bool:
        """Whether this very process still runs. A zombie does not: nobody may ever reap it."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return self._is_of_that_time(process) and self._has_marker(process)
        except psutil.NoSuchProcess:
            return False

    def _is_of_that_time(self, process: psutil.Process) -> bool:
        if self.born and (born := _born(process)):
            return born == self.born
        return abs(process.create_time() - self.created) < _SAME_TIME_S

    def _has_marker(self, process: psutil.Process) -> bool:
        if self.marker is None:
            return True
        try:
            found = process.environ().get(MARKER_VARIABLE)
        except (psutil.AccessDenied, OSError):
            return True  # another user's, whose environment is not ours to read
        # A server that rewrites its title overwrites its environment too; then number and time must
        # do.
        return found in (self.marker, None)

    def send(self, signal_number: int) -> None:
        """Send a signal if it is still this process."""
        if self.alive():
            os.kill(self.pid, signal_number)

    async def gone(self, within_s: float) -> bool:
        """Wait for its end; False when it outlives the bound. It need not be our child."""
        deadline = asyncio.get_running_loop().time() + within_s
        while self.alive():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True


def _born(process: psutil.Process) -> str | None:
    """In which boot of the machine, and how many seconds after it, whatever the clock shows. None
    where no boot is told from another.
    """
    try:
        boot = _BOOT.read_text("ascii").strip()
    except OSError:
        return None
    return f"{boot} {process.create_time() - psutil.boot_time():.2f}"


def port_of_another(pid: int, ports: Iterable[int]) -> str | None:
    """A sentence where somebody answers on one of its ports, and it is not this process: a port is
    chosen while it is free, and another system may take it first. None where that cannot be seen.
    """
    try:
        sockets = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return "it ended by itself"
    except (psutil.AccessDenied, OSError):
        return None  # another account's
    its_own = {one.laddr.port for one in sockets if one.status == psutil.CONN_LISTEN}
    others = [port for port in ports if port not in its_own]
    return f"another process has its port {others[0]}" if others else None


async def run_tool(
    argv: tuple[str, ...], *, user: str | None = None, cwd: Path | None = None
) -> tuple[int, str]:
    """Run a tool to its end; its exit code and what it printed."""
    tool = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=plain_environment(),
        cwd=cwd,
        **_as_account(user),
    )
    output, _ = await tool.communicate()
    return tool.returncode or 0, output.decode("utf-8", "replace")
