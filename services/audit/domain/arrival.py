"""Whether what was handed over has arrived, as far as the log can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import JsonValue

Arrival = Literal["delivered", "may have arrived", "failed"]

UNSURE_REASONS: Final = ("delivery-failed", "interrupted")
"""Of a failure that does not say itself whether the recipient may have it: these left that open."""


def arrival(kind: str, data: Mapping[str, JsonValue]) -> Arrival:
    """What an entry of this type says, which is the last word on a disclosure or on one person in
    it. Nobody is told that their data did not arrive where nobody knows.
    """
    if kind == "DisclosureDelivered":
        return "delivered"
    may_have_reached = data.get("may_have_reached")
    if may_have_reached is None:
        may_have_reached = data.get("reason") in UNSURE_REASONS
    return "may have arrived" if may_have_reached else "failed"
