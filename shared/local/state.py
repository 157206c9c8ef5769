"""What a supervisor leaves on disk: a lock while it lives, and who its processes are, for whoever
comes after it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any, Final

from shared.local.errors import AlreadyRunningError
from shared.local.process import Identity

_GONE_WITHIN_S: Final = 10.0


@dataclass(frozen=True)
class Entry:
    """One process: its present life or, between two, its last one."""

    name: str
    pid: int
    created: float
    ports: Mapping[str, int]
    log: str
    stop_signal: int
    restarts: int
    born: str | None = None
    """See `Identity`; None as of an earlier release."""


@dataclass(frozen=True)
class State:
    """`phase` is starting, running or stopping; `addresses` is what the starter noted (never a
    password), `given` the names of those that lead to a server which was there before. `not_ready`
    are the names of processes that were not ready in time when it came to run, and what was missing
    then.
    """

    pid: int
    created: float
    marker: str
    phase: str = "starting"
    processes: tuple[Entry, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    not_ready: Mapping[str, str] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    born: str | None = None

    @property
    def supervisor(self) -> Identity:
        return Identity(self.pid, self.created, born=self.born)

    def identity(self, entry: Entry) -> Identity:
        return Identity(entry.pid, entry.created, self.marker, entry.born)

    def running(self) -> bool:
        """Whether the supervisor that wrote this still lives."""
        return self.supervisor.alive()

    def left(self) -> tuple[str, ...]:
        """What still runs of a supervisor that is gone, by name."""
        if self.running():
            return ()
        return tuple(entry.name for entry in self.processes if self.identity(entry).alive())


def state_file(folder: Path) -> Path:
    """Where the state lies below the folder of a supervisor."""
    return folder / "state.json"


def lock_file(folder: Path) -> Path:
    """What is there from the first time on that a supervisor has held the folder."""
    return folder / "lock"


def read_state(folder: Path) -> State | None:
    """The state that the last supervisor of this folder wrote; None where there was none, or where
    a power cut left nothing of it: then nothing is left of its processes either.
    """
    try:
        found = json.loads(state_file(folder).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    # A later release may have written more: whoever goes back to this one has to read it, too.
    entries = tuple(Entry(**_known(Entry, entry)) for entry in found.pop("processes"))
    found["given"] = tuple(found.get("given", ()))  # an earlier release has not written it
    return State(**_known(State, found), processes=entries)


def _known(kind: type[Entry | State], found: Mapping[str, Any]) -> dict[str, Any]:
    return {one.name: found[one.name] for one in fields(kind) if one.name in found}


def write_state(folder: Path, state: State) -> None:
    """Whole or not at all, so that a reader never sees half of it, also after a power cut."""
    partial = state_file(folder).with_suffix(".part")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(asdict(state), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(state_file(folder))


def take_lock(folder: Path) -> IO[str]:
    """Hold the folder for as long as the returned file is open.

    The kernel releases it when the holder dies, however it dies, so there is no stale lock to
    clear.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = lock_file(folder).open("a", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        state = read_state(folder)
        holder = f" (process {state.pid})" if state else ""
        raise AlreadyRunningError(
            f"it is already running here{holder}; `steward status` shows it, "
            "`steward down` stops it"
        ) from None
    return lock


async def clear_orphans(folder: Path) -> list[str]:
    """Stop what a former supervisor started and could not stop itself; the names of what was still
    alive.

    A process is known by its id, its time of creation and our marker in its environment, never by
    its name.
    """
    state = read_state(folder)
    if state is None or state.running():
        return []
    cleared = []
    for entry in reversed(state.processes):
        orphan = state.identity(entry)
        if orphan.alive():
            cleared.append(entry.name)
            orphan.send(entry.stop_signal)
            if not await orphan.gone(_GONE_WITHIN_S):
                os.killpg(entry.pid, signal.SIGKILL)
                await orphan.gone(_GONE_WITHIN_S)
    return cleared
