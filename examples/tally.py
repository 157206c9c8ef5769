"""What is to become of the day, counted while it is written."""

from __future__ import annotations

from collections import Counter
from typing import Any

from examples.lines import Line
from examples.offers import BREAKFAST, OFFERS, Offer


class Tally:
    """Counts lines by what becomes of them, and places at events.

    Who gets the last place depends on the order in which partitions are read; how many get one
    does not, and neither does any other number here.
    """

    def __init__(self, registrations: int) -> None:
        self._registrations = registrations
        self._outcomes: dict[str, Counter[str]] = {}
        self._kinds: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._dead: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()

    def count(self, line: Line) -> None:
        """A line that was sent."""
        self._outcomes.setdefault(line.topic, Counter())[line.outcome] += 1
        self._kinds[line.kind] += 1
        if line.outcome == "refused":
            self._refused[line.reason or ""] += 1
        elif line.outcome == "dead_letter":
            self._dead[line.reason or ""] += 1

    def take_place(self, offer: Offer) -> None:
        """Somebody asks for a place, in time and in order."""
        self._asked[offer.number] += 1

    def give_place_back(self, offer: Offer) -> None:
        """Somebody who asked for a place takes that back."""
        self._asked[offer.number] -= 1

    def expected(self) -> dict[str, Any]:
        """Everything, as JSON values; who came too late for the breakfast is refused."""
        outcomes = {topic: dict(counted) for topic, counted in self._outcomes.items()}
        refused = dict(self._refused)
        too_late = max(0, self._asked[BREAKFAST.number] - BREAKFAST.places(self._registrations))
        if too_late:
            registrations = outcomes["inbound.registrations"]
            registrations["accepted"] -= too_late
            registrations["refused"] = registrations.get("refused", 0) + too_late
            refused["event_full"] = too_late
        return {
            "messages": sum(self._kinds.values()),
            "topics": {
                topic: {"received": sum(counted.values()), "outcomes": _sorted(counted)}
                for topic, counted in sorted(outcomes.items())
            },
            "refused": _sorted(refused),
            "dead_letters": _sorted(self._dead),
            "events": {offer.number: self._places(offer) for offer in OFFERS},
            "kinds": _sorted(self._kinds),
        }

    def _places(self, offer: Offer) -> dict[str, int]:
        asked, places = self._asked[offer.number], offer.places(self._registrations)
        if not places:
            return {"registered": asked, "waitlisted": 0}
        over = max(0, asked - places)
        waitlisted = over if offer.data.get("waiting_list") else 0
        return {"registered": asked - over, "waitlisted": waitlisted}


def _sorted(counted: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counted.items()))
