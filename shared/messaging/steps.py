"""Named moments between two steps, where a test can stop the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Step = Literal[
    "taken",  # records are here, nothing is written
    "claimed",  # positions moved and identities claimed, not committed
    "handled",  # handlers are done, not committed
    "committed",  # the batch is done, Kafka does not know it
    "offset_committed",  # Kafka knows the position
    "read",  # the relay has rows of the outbox
    "sent",  # Kafka has acknowledged them
    "deleted",  # and the outbox has forgotten them
]

Steps = Callable[[Step], None]
"""Called at each; whatever it raises or does is what happens there."""


def no_steps(step: Step) -> None:
    """What real processes do there."""
