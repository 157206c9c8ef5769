"""What changes for people from one plan to the next, in words. Pure: two plans in, changes out."""

from __future__ import annotations

from services.cli.plan.difference import data, inside, parties, purposes, retention
from services.cli.plan.difference.change import Change, Comparison, Consent, Plans
from shared.privacy.plan import Plan

COMPARISONS: tuple[Comparison, ...] = (
    *purposes.COMPARISONS,
    *data.COMPARISONS,
    *retention.COMPARISONS,
    *parties.COMPARISONS,
    *inside.COMPARISONS,
)

__all__ = ["Change", "changes", "purposes_with"]


def changes(old: Plan, new: Plan) -> tuple[Change, ...]:
    """Everything that is different for people; what only the software notices is left out."""
    plans = Plans(old, new)
    return tuple(change for compare in COMPARISONS for change in compare(plans))


def purposes_with(consent: Consent, found: tuple[Change, ...]) -> tuple[str, ...]:
    """The purposes whose consents are touched in this way, each once."""
    return tuple(
        dict.fromkeys(name for one in found if one.consent == consent for name in one.purposes)
    )
