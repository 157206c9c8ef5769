"""Ways by which deliveries reach their recipients, and what may go wrong there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Protocol

from shared.privacy.handovers import Delivery
from shared.privacy.reasons import Failure

NOT_WRITTEN: Final = "not-written"
NOT_TAKEN_BACK: Final = "not-taken-back"
INTERRUPTED: Final = "interrupted"
"""Who took it has not said what came of it, or broke off: the recipient may have it."""

HandoverStep = Literal[
    "left",  # committed with its entries, and nobody has taken it
    "taken",  # judged once more, and taken for a minute
    "written",  # it is on disk, and not under its name
    "delivered",  # the recipient has it, nothing says so
    "recorded",  # the log says so, and nothing is left of it
]

Steps = Callable[[HandoverStep], None]
"""Called at each; whatever it raises or does is what happens there."""


def no_steps(step: HandoverStep) -> None:
    """What real processes do there."""


class HalfwayError(OSError):
    """It broke off when some of it had left."""


class NotTakenBackError(OSError):
    """What an earlier try left cannot be removed, and nobody may have it as it is."""

    def __str__(self) -> str:
        return f"what an earlier try put into the folder cannot be removed: {self.strerror}"


class Port(Protocol):
    """A way by which a delivery reaches its recipient."""

    async def deliver(self, delivery: Delivery) -> str:
        """Hand it over whole or not at all; where it is then, in words for whoever asked for it.

        Raises OSError (HalfwayError where some has left), or what else went wrong.
        """
        ...


class OwnPort(Port, Protocol):
    """A way by which the service delivers by itself."""

    async def take_back(self, delivery: Delivery) -> None:
        """Of an earlier try that nobody knows of, remove what can be: nobody is left in it, or it
        leaves by another port. Raises OSError.
        """
        ...


def reason_of(error: Exception) -> Failure:
    """What the log says of a try that ended with this."""
    if isinstance(error, HalfwayError):
        return INTERRUPTED
    if isinstance(error, NotTakenBackError):
        return NOT_TAKEN_BACK
    return NOT_WRITTEN if isinstance(error, OSError) else "delivery-failed"
