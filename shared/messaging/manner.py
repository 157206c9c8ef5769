"""How a consumer reads: apart from others of its service, at once or in groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Manner:
    """How one of the consumers of a service reads. Its name tells it apart, in groups and in
    readiness. While records are few they are taken at most once in `gather_s` (0: at once), and
    Kafka is told of positions at most once in `tell_kafka_every_s`.
    """

    name: str = ""
    gather_s: float = 0.0
    tell_kafka_every_s: float = 0.0


ALL_AT_ONCE: Final = Manner()
