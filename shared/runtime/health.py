"""Whether this process lives and whether it is ready, told by its loops themselves.

A web server that answers proves only that it answers: each loop must be heard from, or the process
counts as dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Loop:
    limit_s: float
    last: float


class Heartbeats:
    """Who was last heard from when, and what is known to be missing."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._loops: dict[str, _Loop] = {}
        self._missing: dict[str, str] = {}

    def expect(self, name: str, limit_s: float) -> None:
        """From now on `name` must be heard from at least every `limit_s` seconds."""
        self._loops[name] = _Loop(limit_s, self._monotonic())

    def forget(self, name: str) -> None:
        """`name` came to its end as it should."""
        self._loops.pop(name, None)
        self._missing.pop(name, None)

    def beat(self, name: str) -> None:
        """`name` is alive. Whether all is well with it is said by `missing` and `ok`."""
        self._loops[name].last = self._monotonic()

    def missing(self, name: str, why: str) -> None:
        """Not ready: `why` is a reason code or a sentence of our own, never an error's text."""
        self._missing[name] = why

    def ok(self, name: str) -> None:
        """What was missing under `name` is there."""
        self._missing.pop(name, None)

    def late(self) -> dict[str, str]:
        """Loops that were not heard from within their limit; empty means that the process lives."""
        now = self._monotonic()
        return {
            name: f"not heard from for {now - loop.last:.0f} s, limit {loop.limit_s:.0f} s"
            for name, loop in self._loops.items()
            if now - loop.last > loop.limit_s
        }

    def not_ready(self) -> dict[str, str]:
        """What is missing, late loops included; empty means ready."""
        return self._missing | self.late()
