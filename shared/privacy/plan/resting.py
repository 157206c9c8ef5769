"""What rests on consents: it goes once they have ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from shared.privacy.plan.models import Anchor
from shared.privacy.plan.period import Period
from shared.privacy.plan.plan import Plan

CONSENT_WITHDRAWAL: Final[Anchor] = "consent_withdrawal"


@dataclass(frozen=True, slots=True)
class AfterConsent:
    """How long a category is kept once a consent that it rests on has ended."""

    retention_class: str
    period: Period


Resting = Mapping[str, Mapping[str, AfterConsent]]
"""By purpose that rests on consent, each category that goes once the consent has ended."""


def resting_on(plan: Plan) -> Resting:
    """What rests on consents under a plan."""
    return kept_after(
        {name: one.categories for name, one in plan.purposes.items() if one.needs_consent},
        {
            category: AfterConsent(name, kept.period)
            for name, kept in plan.retention.items()
            if kept.anchor == CONSENT_WITHDRAWAL
            for category in kept.categories
        },
    )


def kept_after(
    asked: Mapping[str, Iterable[str]], kept: Mapping[str, AfterConsent]
) -> dict[str, dict[str, AfterConsent]]:
    """Of the categories that each purpose on consent reads those that are kept until it ends."""
    return {
        purpose: {category: kept[category] for category in categories if category in kept}
        for purpose, categories in asked.items()
    }
