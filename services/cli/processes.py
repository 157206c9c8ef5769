"""Which processes run the services: each has one, and another for what people wait for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.contract.services import SERVICES
from shared.runtime.settings import Hears


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process by the service that it runs, and what it hears of all that the service does."""

    name: str
    service: str
    hears: Hears

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes a process of the service this one."""
        return {"STEWARD_HEARS": self.hears}


# What is urgent comes last, so that the ports of the others are those of their services.
PROCESSES: Final[tuple[ProcessSpec, ...]] = (
    *(ProcessSpec(one.name, one.name, "rest" if one.urgent else "all") for one in SERVICES),
    *(ProcessSpec(f"{one.name}-urgent", one.name, "urgent") for one in SERVICES if one.urgent),
)
NAMES: Final = tuple(one.name for one in PROCESSES)

_SERVICES: Final = {one.name: one.service for one in PROCESSES}


def replica_name(process: str, number: int) -> str:
    """Of several alike the first has the name itself, the second ends with -2."""
    return process if number == 1 else f"{process}-{number}"


def service_of(name: str) -> str | None:
    """The service that a process of this name runs; None for a server."""
    return _SERVICES.get(re.sub(r"-\d+$", "", name))
