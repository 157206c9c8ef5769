"""All injuries: importing their modules fills the registry."""

from __future__ import annotations

from tests.faults.injuries import gaps, groups, messages, network, servers, services
from tests.faults.registry import INJURIES as FOUND

__all__ = ["FOUND", "gaps", "groups", "messages", "network", "servers", "services"]
