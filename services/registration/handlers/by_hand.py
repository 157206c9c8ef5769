"""A list that somebody takes where they asked for it: a file that they name, or standard output."""

from __future__ import annotations

import asyncio
import errno
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
            await asyncio.to_thread(_write, self.output, data)
        return str(self.output)


def _write(path: Path, data: bytes) -> None:
    """Raises OSError, also for what is neither a file nor a name for one: a list in the place of a
    pipe, of a device or of a link such as /dev/stdout would not be where it is looked for.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise FileExistsError(
            errno.EEXIST, f"{path} is no file: name one, or - for standard output"
        )
    write_whole(path, data)
