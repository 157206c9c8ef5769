"""What Kafka is told of positions. Nothing here depends on it; tools that show a group's lag do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from shared.messaging.places import Partition

EVERY_S: Final = 1.0
"""Each time costs the broker as much as some dozens of facts."""


class KafkaTold:
    """Offsets that Kafka is still to be told, and whether it is time to."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next_at = 0.0
        self._offsets: dict[Partition, int] = {}

    def note(self, offsets: Mapping[Partition, int]) -> bool:
        """Keep these until they are taken; whether that is now."""
        self._offsets.update(offsets)
        return asyncio.get_running_loop().time() >= self._next_at

    def take(self) -> dict[Partition, int]:
        """What is to be told; the next time is `every_s` from now."""
        self._next_at = asyncio.get_running_loop().time() + self._every_s
        offsets, self._offsets = self._offsets, {}
        return offsets

    def forget(self) -> None:
        """Whoever has the partitions now tells what comes of them."""
        self._offsets.clear()
