"""The folder of what goes out: a file for each delivery, for whoever brings it to its recipient."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shared.privacy.handovers import Delivery
from shared.privacy.ports import Steps, no_steps
from shared.runtime.files import remove_whole, write_whole


@dataclass(frozen=True, slots=True)
class OutgoingFolder:
    """`RECIPIENT/ID.csv`, in clear: only the service's own user may enter. Implements `OwnPort`.

    The name is the delivery's id, so that what is delivered again replaces what was there. `render`
    gives the bytes.
    """

    path: Path
    render: Callable[[Delivery], bytes]
    steps: Steps = no_steps

    async def deliver(self, delivery: Delivery) -> str:
        await asyncio.to_thread(self._put, delivery)
        return str(self.file_of(delivery))

    async def take_back(self, delivery: Delivery) -> None:
        await asyncio.to_thread(remove_whole, self.file_of(delivery))

    def file_of(self, delivery: Delivery) -> Path:
        """Where the delivery lies once it is delivered."""
        return self.path / delivery.recipient / f"{delivery.id}.csv"

    def _put(self, delivery: Delivery) -> None:
        file = self.file_of(delivery)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(file, self.render(delivery), lambda: self.steps("written"))
