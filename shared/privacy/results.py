"""What came of a try to deliver something, and what people are told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.privacy.handovers import Delivery
from shared.privacy.reasons import Failure


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a try. `withheld`: of whom it was nobody may be in it any more; `waits`: it was
    not tried, or is tried again by itself. `place` is where the recipient finds it, `error` what
    the port raised.
    """

    state: Literal["delivered", "failed", "waits", "withheld"]
    delivery: Delivery
    reason: Failure | None = None
    place: str | None = None
    error: Exception | None = None


def told(result: Result) -> str:
    """What came of a try, and what is to be done, for people. Raises what no port should."""
    why: str | None = result.reason
    if result.error is not None:
        if not isinstance(result.error, OSError):
            raise result.error
        why = result.error.strerror or result.reason
    match result.state:
        case "delivered":
            return f"Delivered: {result.place}."
        case "waits":
            return (
                f"It is not delivered yet ({why}), and is tried again by itself:"
                " `steward disclosures list` shows when."
            )
        case "withheld":
            return "Nobody may be in it any more: nothing was delivered, and that is recorded."
        case "failed":
            return (
                f"It is not delivered ({why}), and that is recorded:"
                f" `steward disclosures resume {result.delivery.id}` tries once more."
            )
