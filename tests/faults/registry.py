"""An injury is one function: it hurts a world under load so many times, and lets it recover."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from tests.faults.world import World

Inflict = Callable[[World, int], Awaitable[None]]
"""Takes the world and how many times; returns when the last time is over."""


class Row(TypedDict):
    """One line of `results/latest.json`. Counts are of effects; times are in seconds."""

    injury: str
    times: int
    seed: int
    messages: int
    lost: int
    doubled: int
    reordered: int
    recovered_s_max: float
    disclosures: int
    """Lists that were handed over meanwhile."""

    deaths_at_steps: int
    """Of processes that were told to end at a named step, and came to it."""

    passed: bool
    date: str
    commit: str
    """Of the code that was injured; it says so where that was not as it is checked in."""

    machine: str
    deaths_at_rarest_step: NotRequired[int]
    """Where any are to be: those of the process and step where the fewest were."""

    why: NotRequired[list[str]]
    """What went wrong, and what was done last before it."""


@dataclass(frozen=True, slots=True)
class Injury:
    """What is done, how often in the long form and in the short one."""

    name: str
    inflict: Inflict
    long: int
    short: int
    recovers_within_s: float | None
    proxied: bool
    quiet: bool
    brokers: int
    small_disks: bool
    about: str


INJURIES: dict[str, Injury] = {}


def injury(
    name: str,
    *,
    long: int,
    short: int,
    recovers_within_s: float | None = 10.0,
    proxied: bool = False,
    quiet: bool = False,
    brokers: int = 1,
    small_disks: bool = False,
) -> Callable[[Inflict], Inflict]:
    """Register a function. `recovers_within_s`: from the end of the injury on; None: as long as
    Kafka takes to notice. `quiet`: it brings its own messages, and no others come meanwhile.
    `small_disks`: both servers write onto disks that can be filled, which only root can make.
    """

    def register(inflict: Inflict) -> Inflict:
        if name in INJURIES:
            raise ValueError(f"injury {name} is registered twice")
        about = (inflict.__doc__ or "").strip().split("\n", 1)[0]
        INJURIES[name] = Injury(
            name,
            inflict,
            long,
            short,
            recovers_within_s,
            proxied,
            quiet,
            brokers,
            small_disks,
            about,
        )
        return inflict

    return register
