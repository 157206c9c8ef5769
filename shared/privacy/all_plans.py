"""What all plans that were ever in force come to: a no outlives the plan that asked. Pure.

Whoever says no while the plan in force lacks the purpose has to be heard all the same: should a
plan come back that has it, the earlier yes would count again (ADR 100). And what was kept in a
class that has another name now is due all the same (ADR 103).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from shared.privacy.plan import Plan
from shared.privacy.plan.models import ON_CONSENT


@dataclass(frozen=True, slots=True)
class AllPlans:
    """Of any of the plans: `on_consent` has the purposes that rested on consent, `grants` (service,
    purpose) where it let a service open data for the purpose, and `kept_in` (retention class,
    category) where it had the category in the class.
    """

    on_consent: frozenset[str]
    grants: frozenset[tuple[str, str]]
    kept_in: frozenset[tuple[str, str]]

    @classmethod
    def of_plan(cls, plan: Plan) -> AllPlans:
        """As if there had never been another one."""
        return cls(
            frozenset(name for name, purpose in plan.purposes.items() if purpose.needs_consent),
            frozenset(
                (name, purpose)
                for name, service in plan.services.items()
                for purpose in service.grants
            ),
            frozenset(
                (name, category)
                for name, kept in plan.retention.items()
                for category in kept.categories
            ),
        )

    @classmethod
    def of_texts(cls, texts: Iterable[bytes]) -> AllPlans:
        """Of plans as their files were, which were read when they came into force. They are not
        read as plans again: one that this release does not accept any more counts too, as people
        answered under it.
        """
        parts = [_of_text(text) for text in texts]
        return cls(
            frozenset().union(*(part.on_consent for part in parts)),
            frozenset().union(*(part.grants for part in parts)),
            frozenset().union(*(part.kept_in for part in parts)),
        )


def _of_text(text: bytes) -> AllPlans:
    document: dict[str, Any] = tomllib.loads(text.decode())
    return AllPlans(
        frozenset(
            name
            for name, purpose in document["purposes"].items()
            if purpose["legal_basis"] in ON_CONSENT
        ),
        frozenset(
            (name, purpose)
            for name, service in document["services"].items()
            for purpose in service.get("grants", ())
        ),
        frozenset(
            (name, category)
            for name, kept in document["retention"].items()
            for category in kept.get("categories", ())
        ),
    )
