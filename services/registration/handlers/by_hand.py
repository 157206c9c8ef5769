"""A list that somebody takes where they asked for it: a file that they name, or standard output."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.registration.handlers.delivering import csv_of
from services.registration.handlers.desk import Desk
from shared.privacy.handovers import Delivery
from shared.privacy.ports import HalfwayError
from shared.runtime.files import write_whole

STANDARD_OUTPUT: Final = Path("-")


@dataclass(frozen=True, slots=True)
class ByHand:
    """Implements `shared.privacy.ports.Port`."""

    desk: Desk
    output: Path

    async def deliver(self, delivery: Delivery) -> str:
        data = csv_of(self.desk, delivery)
        if self.output == STANDARD_OUTPUT:
            try:
                sys.stdout.write(data.decode())
                sys.stdout.flush()
            except OSError as error:
                raise HalfwayError(error.errno, error.strerror) from error
        else:
            await asyncio.to_thread(write_whole, self.output, data)
        return str(self.output)
