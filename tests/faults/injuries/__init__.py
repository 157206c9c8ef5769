"""All injuries: importing their modules fills the registry."""

from __future__ import annotations

from tests.faults.injuries import (
    dead_letters,
    disks,
    gaps,
    groups,
    messages,
    network,
    servers,
    services,
)
from tests.faults.registry import INJURIES as FOUND

__all__ = [
    "FOUND",
    "dead_letters",
    "disks",
    "gaps",
    "groups",
    "messages",
    "network",
    "servers",
    "services",
]
