"""How a consumer reads: apart from others of its service, at once or in groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Manner:
    """How one of the consumers of a service reads. Its name tells it apart, in groups and in
    readiness. While records are few they are taken at most once in `gather_s` (0: at once).
    """

    name: str = ""
    gather_s: float = 0.0


ALL_AT_ONCE: Final = Manner()

URGENT: Final = "urgent"
"""Names the consumer of topics that people wait for; the other one has no name."""


def group_of(service: str, manner: str) -> str:
    """The consumer group of those of a service that read in the manner of this name."""
    return ".".join(filter(None, ("steward", service, manner)))
