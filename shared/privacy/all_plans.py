"""What all plans that were ever in force come to: a no outlives the plan that asked. Pure.

Whoever says no while the plan in force lacks the purpose has to be heard all the same: should a
plan come back that has it, the earlier yes would count again (ADR 100). And what was kept in a
class that has another name now is due all the same (ADR 103), as is what the plan in force has no
category for any more (ADR 98).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from shared.privacy.plan import Period, Plan
from shared.privacy.plan.models import ON_CONSENT

CONSENT_WITHDRAWAL: Final = "consent_withdrawal"


@dataclass(frozen=True, slots=True)
class AfterConsent:
    """How long a category is kept once a consent that it rests on has ended."""

    retention_class: str
    period: Period


Resting: TypeAlias = Mapping[str, Mapping[str, AfterConsent]]
"""By purpose that rests on consent, each category that goes once the consent has ended."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How long a plan keeps a category."""

    retention_class: str
    anchor: str
    period: Period


@dataclass(frozen=True, slots=True)
class AllPlans:
    """Of any of the plans: `on_consent` has the purposes that rested on consent, `grants` (service,
    purpose) where it let a service open data for the purpose, and `kept_in` (retention class,
    category) where it had the category in the class, with the moment at which a plan came into
    force that has it there no longer; None: the plan in force has. `kept` has each category as the
    newest plan that had it keeps it, `kept_from` each (category, anchor) as the newest that counted
    it from that anchor (ADR 107); `resting` has all that rested on a consent, each category with
    the period of the newest plan that gives it one.
    """

    on_consent: frozenset[str]
    grants: frozenset[tuple[str, str]]
    kept_in: Mapping[tuple[str, str], datetime | None]
    kept: Mapping[str, Kept]
    kept_from: Mapping[tuple[str, str], Kept]
    resting: Resting

    @classmethod
    def of_plan(cls, plan: Plan) -> AllPlans:
        """As if there had never been another one."""
        return cls._of(
            {name: one.categories for name, one in plan.purposes.items() if one.needs_consent},
            {
                (name, purpose)
                for name, service in plan.services.items()
                for purpose in service.grants
            },
            {
                category: Kept(name, one.anchor, one.period)
                for name, one in plan.retention.items()
                for category in one.categories
            },
            until=None,
        )

    @classmethod
    def of_texts(cls, texts: Iterable[tuple[bytes, datetime | None]]) -> AllPlans:
        """Of plans as their files were, the newest first, each with the moment at which another one
        came into force; None: it is in force. They were read when they came into force, and are not
        read as plans again: one that this release does not accept any more counts too, as people
        answered under it.
        """
        parts = [cls._of_text(text, until) for text, until in texts]
        asked: dict[str, set[str]] = {}
        kept: dict[str, Kept] = {}
        kept_from: dict[tuple[str, str], Kept] = {}
        kept_in: dict[tuple[str, str], datetime | None] = {}
        after_consent: dict[str, AfterConsent] = {}
        for part in parts:
            kept = {**part.kept, **kept}
            kept_from = {**part.kept_from, **kept_from}
            kept_in = {**part.kept_in, **kept_in}
            for purpose, categories in part.resting.items():
                asked.setdefault(purpose, set()).update(categories)
                after_consent = {**categories, **after_consent}
        return cls(
            frozenset(asked),
            frozenset().union(*(part.grants for part in parts)),
            kept_in,
            kept,
            kept_from,
            _kept_after(asked, after_consent),
        )

    @classmethod
    def _of_text(cls, text: bytes, until: datetime | None) -> AllPlans:
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
            category: Kept(name, one["anchor"], Period.parse(one["period"]))
            for name, one in document["retention"].items()
            for category in one.get("categories", ())
        }
        return cls._of(asked, grants, kept, until)

    @classmethod
    def _of(
        cls,
        asked: Mapping[str, Iterable[str]],
        grants: Iterable[tuple[str, str]],
        kept: Mapping[str, Kept],
        until: datetime | None,
    ) -> AllPlans:
        """Of one plan. `asked` are its purposes on consent, with the categories that each reads."""
        after_consent = {
            category: AfterConsent(one.retention_class, one.period)
            for category, one in kept.items()
            if one.anchor == CONSENT_WITHDRAWAL
        }
        return cls(
            frozenset(asked),
            frozenset(grants),
            {(one.retention_class, category): until for category, one in kept.items()},
            kept,
            {(category, one.anchor): one for category, one in kept.items()},
            _kept_after(asked, after_consent),
        )


def _kept_after(asked: Mapping[str, Iterable[str]], kept: Mapping[str, AfterConsent]) -> Resting:
    """Of the categories that each purpose on consent reads those that are kept until it ends."""
    return {
        purpose: {category: kept[category] for category in categories if category in kept}
        for purpose, categories in asked.items()
    }


def resting_on(plan: Plan) -> Resting:
    """What rests on consents under a plan."""
    return AllPlans.of_plan(plan).resting
