"""Whether what was handed over has arrived, as far as the log can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from pydantic import JsonValue

from services.audit.domain.entries import StoredEntry, data_in, reading

Arrival = Literal["delivered", "may have arrived", "failed"]

UNSURE_REASONS: Final = ("delivery-failed", "interrupted")
"""Of a failure that does not say itself whether the recipient may have it: these left that open."""


def last_words(outcomes: Iterable[StoredEntry]) -> dict[str, Mapping[str, JsonValue]]:
    """The events that these entries are, by the disclosure on which each is the last word."""
    found: dict[str, Mapping[str, JsonValue]] = {}
    for entry in outcomes:
        with reading(entry):
            event = entry.event
            found[str(data_in(event)["disclosure_id"])] = event
    return found


def arrival(last_word: Mapping[str, JsonValue]) -> Arrival:
    """What an event says that is the last word on a disclosure or on one person in it. Nobody is
    told that their data did not arrive where nobody knows.
    """
    if last_word["type"] == "DisclosureDelivered":
        return "delivered"
    data = data_in(last_word)
    may_have_reached = data.get("may_have_reached")
    if may_have_reached is None:
        may_have_reached = data.get("reason") in UNSURE_REASONS
    return "may have arrived" if may_have_reached else "failed"
