"""How much is done in one run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of messages, rows and rounds."""

    rounds: int = 3
    """Times that each throughput is measured, in turn with the others."""

    registrations: int = 50_000
    """In the topic before a service or a peer begins."""

    peers: int = 5_000
    """Messages are enough to see what one message at a time does."""

    crowd: int = 20_000
    """Registrations for one event, and over a thousand."""

    messages: int = 1_000_000
    """Registrations that all services together take, while memory is watched."""

    rows: int = 10_000_000
    """In inbox, state and keyring each, where a full database is compared with a small one."""

    few_rows: int = 10_000
    """In the small one, made by the service itself."""

    entries: int = 200_000
    """In the topic of the audit log before its service begins."""

    verified: int = 1_000_000
    """In the audit log that is verified."""

    latency_s: float = 20.0
    """For so long withdrawals are timed."""


NORMAL = Sizes()
QUICK = Sizes(
    rounds=1,
    registrations=10_000,
    peers=500,
    crowd=4_000,
    messages=20_000,
    rows=200_000,
    few_rows=2_000,
    entries=20_000,
    verified=20_000,
    latency_s=5.0,
)
