"""Processor time and memory of processes that are measured from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import psutil

from bench.stage import Stage
from shared.local.state import read_state

SERVERS = ("kafka", "postgres")


def server_processes(stage: Stage) -> Mapping[str, psutil.Process]:
    """Kafka's process and Postgres's first one, the parent of all others."""
    found = {}
    for name in SERVERS:
        state = read_state(stage.folder / name / "run")
        if state is None:
            raise LookupError(f"nobody wrote down which process {name} is")
        found[name] = psutil.Process(state.processes[0].pid)
    return found


def own_cpu_seconds() -> float:
    """Processor time of this process alone: servers are its children."""
    times = psutil.Process().cpu_times()
    return times.user + times.system


def cpu_seconds(process: psutil.Process) -> float:
    """Processor time, user and system, of a process and of all its children, also former ones.

    A backend of Postgres that has ended is in the times of its parent, which waited for it.
    """
    total = 0.0
    for child in process.children():
        try:
            total += cpu_seconds(child)
        except psutil.NoSuchProcess:
            continue  # it ended just now: its parent, which is asked after it, has its times
    own = process.cpu_times()
    return total + own.user + own.system + own.children_user + own.children_system


def cpu_of(processes: Iterable[psutil.Process]) -> float:
    """Processor seconds of all of these so far."""
    return sum(map(cpu_seconds, processes))


@dataclass
class Memory:
    """Resident memory of a service: (messages that it has taken, megabytes), in time."""

    samples: list[tuple[float, float]] = field(default_factory=list)

    def add(self, messages: int, process: psutil.Process) -> None:
        """Look now."""
        self.samples.append((messages, process.memory_info().rss / 1e6))

    @property
    def most(self) -> float:
        """Megabytes at most."""
        return max(megabytes for _, megabytes in self.samples)

    def second_half(self) -> list[tuple[float, float]]:
        """What was seen once half of the messages were through: nothing warms up any more."""
        first, last = self.samples[0][0], self.samples[-1][0]
        return [sample for sample in self.samples if sample[0] >= (first + last) / 2]
