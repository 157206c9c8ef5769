"""What all plans that were ever in force come to: a no outlives the plan that asked. Pure.

Whoever says no while the plan in force lacks the purpose has to be heard all the same: should a
plan come back that has it, the earlier yes would count again (ADR 100).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shared.privacy.plan import Period, Plan
from shared.privacy.plan.models import ON_CONSENT
from shared.privacy.plan.resting import (
    CONSENT_WITHDRAWAL,
    AfterConsent,
    Resting,
    kept_after,
    resting_on,
)


@dataclass(frozen=True, slots=True)
class AllPlans:
    """Of any of the plans: `on_consent` has the purposes that rested on consent, and `grants`
    (service, purpose) where it let a service open data for the purpose. `resting` has all that
    rested on a consent, each category with the period of the newest plan that gives it one.
    """

    on_consent: frozenset[str]
    grants: frozenset[tuple[str, str]]
    resting: Resting

    @classmethod
    def of_plan(cls, plan: Plan) -> AllPlans:
        """As if there had never been another one."""
        grants = {(name, one) for name, service in plan.services.items() for one in service.grants}
        resting = resting_on(plan)
        return cls(frozenset(resting), frozenset(grants), resting)

    @classmethod
    def of_texts(cls, texts: Iterable[bytes]) -> AllPlans:
        """Of plans as their files were, the newest first, which were read when they came into
        force. They are not read as plans again: one that this release does not accept any more
        counts too, as people answered under it.
        """
        parts = [cls._of_text(text) for text in texts]
        asked: dict[str, set[str]] = {}
        kept: dict[str, AfterConsent] = {}
        for part in parts:
            for purpose, categories in part.resting.items():
                asked.setdefault(purpose, set()).update(categories)
                kept = {**categories, **kept}
        grants: frozenset[tuple[str, str]] = frozenset().union(*(part.grants for part in parts))
        return cls(frozenset(asked), grants, kept_after(asked, kept))

    @classmethod
    def _of_text(cls, text: bytes) -> AllPlans:
        document: dict[str, Any] = tomllib.loads(text.decode())
        asked = {
            name: purpose["categories"]
            for name, purpose in document["purposes"].items()
            if purpose["legal_basis"] in ON_CONSENT
        }
        grants = {
            (name, purpose)
            for name, service in document["services"].items()
            for purpose in service.get("grants", ())
        }
        kept = {
            category: AfterConsent(name, Period.parse(kept["period"]))
            for name, kept in document["retention"].items()
            if kept["anchor"] == CONSENT_WITHDRAWAL
            for category in kept.get("categories", ())
        }
        return cls(frozenset(asked), frozenset(grants), kept_after(asked, kept))
