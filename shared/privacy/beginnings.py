"""A new purpose or recipient never touches data collected before it (GDPR articles 6(4), 13(3)).

Unless the plan says on what ground (`covers_earlier_data`). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Final, Literal
from zoneinfo import ZoneInfo

from shared.privacy.plan import Plan, Purpose, Recipient

BEFORE_PURPOSE: Final = "collected-before-purpose"
BEFORE_RECIPIENT: Final = "collected-before-recipient"


Kind = Literal["purpose", "recipient"]
NameOfPlan = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Beginnings:
    """The moment from which on data must have been collected, to be used for a purpose or go to a
    recipient. What is not named here covers all data.
    """

    purposes: Mapping[str, datetime] = field(default_factory=dict)
    recipients: Mapping[str, datetime] = field(default_factory=dict)


EVER: Final = Beginnings()


def beginnings_of(plan: Plan, stored_since: Mapping[NameOfPlan, datetime | None]) -> Beginnings:
    """What the plan's own dates, and the dates since which plans have had these names, come to.

    A name that came with a later plan begins with that plan at the earliest: a date of its own
    (`since`) can put that off, not back.
    """
    zone = ZoneInfo(plan.organisation.time_zone)

    def begins(kind: Kind, name: str, part: Purpose | Recipient) -> datetime | None:
        if part.covers_earlier_data is not None:
            return None
        own = None if part.since is None else datetime.combine(part.since, time.min, zone)
        return max(filter(None, (own, stored_since.get((kind, name)))), default=None)

    purposes = {name: begins("purpose", name, part) for name, part in plan.purposes.items()}
    recipients = {name: begins("recipient", name, part) for name, part in plan.recipients.items()}
    return Beginnings(_limited(purposes), _limited(recipients))


def _limited(begins: Mapping[str, datetime | None]) -> dict[str, datetime]:
    return {name: moment for name, moment in begins.items() if moment is not None}


def is_earlier(collected_at: datetime | None, begins: datetime | None) -> bool:
    """Whether data is older than what it is asked for. Data of unknown age counts as older."""
    return begins is not None and (collected_at is None or collected_at < begins)
