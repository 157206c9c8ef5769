"""Retention: every category has one period, and accounting the one that law sets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.models import Anchor
from shared.privacy.plan.period import Period
from shared.privacy.plan.plan import Plan
from shared.privacy.plan.rules.rule import Case, Rule, listed

# Accounting Act 1336/1997: books 10 years from the end of the financial year; vouchers 6 years from
# the end of the calendar year in which the financial year ended.
_SET_BY_LAW: dict[Anchor, Period] = {
    "financial_year_end": Period(years=10),
    "financial_year_calendar_end": Period(years=6),
}
_CONTEXT_OF: dict[Anchor, str] = {
    "event_end": "event",
    "consent_withdrawal": "none",
    "financial_year_end": "year",
    "financial_year_calendar_end": "year",
}
_SEALED_BY: dict[Anchor, frozenset[str]] = {
    "event_end": frozenset({"registration"}),
    "consent_withdrawal": frozenset({"registration", "consent"}),
    "financial_year_end": frozenset({"finance"}),
    "financial_year_calendar_end": frozenset({"finance"}),
}
"""The services that say of what they seal when its period begins, or that a consent has ended."""
_SOME_DAY = date(2024, 1, 1)


def categories_have_one_retention(case: Case) -> Iterator[Finding]:
    """Article 5(1)(e): everything has a period, and one only."""
    homes: dict[str, str] = {}
    for name, retention in case.plan.retention.items():
        for category in retention.categories:
            if category in homes:
                yield case.finding(
                    "category-in-two-retention-classes",
                    ("retention", name, "categories"),
                    f"retention class {name} keeps {category}",
                    f"retention class {homes[category]} keeps it too",
                    "Leave it in one; what is kept for another reason is another category",
                    other=("retention", homes[category], "categories"),
                )
            homes.setdefault(category, name)
    for category in case.plan.categories.keys() - homes.keys():
        yield case.finding(
            "category-without-retention",
            ("categories", category),
            f"there is a category {category}",
            "no retention class keeps it",
            "Add it to a class under [retention]",
        )


def accounting_is_kept_as_law_says(case: Case) -> Iterator[Finding]:
    """Accounting Act 1336/1997, chapter 2, section 10."""
    for name, retention in case.plan.retention.items():
        law = _SET_BY_LAW.get(retention.anchor)
        if law is None:
            continue
        kept, least = retention.period.after(_SOME_DAY), law.after(_SOME_DAY)
        if kept < least:
            yield case.finding(
                "accounting-kept-too-shortly",
                ("retention", name, "period"),
                f"retention class {name} keeps for {retention.period}",
                f"law asks for {law} from {retention.anchor}",
                f'Write `period = "{law}"`',
                other=("retention", name, "anchor"),
            )
        elif kept > least and retention.reason is None:
            yield case.finding(
                "accounting-kept-too-long",
                ("retention", name, "period"),
                f"retention class {name} keeps for {retention.period}",
                f"law asks for {law} from {retention.anchor}, and no reason is given for more",
                f'Write `period = "{law}"`, or add `reason = …`',
                other=("retention", name, "anchor"),
            )


def anchors_fit_the_keys(case: Case) -> Iterator[Finding]:
    """Keys are destroyed by context: an event's end can only destroy keys that belong to it."""
    for name, retention in case.plan.retention.items():
        for category in retention.categories:
            found = case.plan.categories.get(category)
            if found is not None and found.context != _CONTEXT_OF[retention.anchor]:
                yield case.finding(
                    "anchor-without-context",
                    ("retention", name, "anchor"),
                    f"retention class {name} counts from {retention.anchor}",
                    f"the keys of {category} belong to: {found.context}",
                    f'Give {category} the context "{_CONTEXT_OF[retention.anchor]}", or another'
                    " class",
                    other=("categories", category, "context"),
                )


def withdrawals_end_every_use(case: Case) -> Iterator[Finding]:
    """What is kept without a consent is never due where a consent's end begins its period."""
    for name, category, purpose_name in _read_until_withdrawal(case.plan):
        purpose = case.plan.purposes[purpose_name]
        if not purpose.needs_consent:
            yield case.finding(
                "anchor-without-consent",
                ("retention", name, "anchor"),
                f"retention class {name} keeps {category} until a consent ends",
                f"purpose {purpose_name} reads it on {purpose.legal_basis}, and no consent to that"
                " ever ends",
                f"Keep {category} in a class with another anchor, or take it out of the purpose",
                other=("purposes", purpose_name, "categories"),
            )


def sharing_ends_with_the_event(case: Case) -> Iterator[Finding]:
    """Who opts in to share with participants does so in a registration, and withdraws nothing."""
    for name, category, purpose_name in _read_until_withdrawal(case.plan):
        for recipient_name, recipient in case.plan.recipients.items():
            if recipient.role == "participants" and purpose_name in recipient.purposes:
                yield case.finding(
                    "anchor-without-consent",
                    ("retention", name, "anchor"),
                    f"retention class {name} keeps {category} until a consent ends",
                    f"{recipient_name} get it where somebody chose so when registering, and no"
                    " consent to that ever ends",
                    f"Keep {category} in a class with another anchor, or take the purpose"
                    f" {purpose_name} from them",
                    other=("recipients", recipient_name, "purposes"),
                )


def _read_until_withdrawal(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Retention class, category and purpose where that is kept until a consent ends, and read."""
    for name, retention in plan.retention.items():
        if retention.anchor == "consent_withdrawal":
            for category in retention.categories:
                for purpose_name, purpose in plan.purposes.items():
                    if category in purpose.categories:
                        yield name, category, purpose_name


def anchors_are_told_by_who_seals(case: Case) -> Iterator[Finding]:
    """A period begins by what the service that sealed the data says of it, or never."""
    for name, retention in case.plan.retention.items():
        tell = _SEALED_BY[retention.anchor]
        for service_name, service in case.plan.services.items():
            untold = set(service.seals) & set(retention.categories)
            if untold and service_name not in tell:
                yield case.finding(
                    "sealed-without-anchor",
                    ("services", service_name, "seals"),
                    f"service {service_name} seals {listed(untold)}",
                    f"its class {name} counts from {retention.anchor}, which only what is sealed by"
                    f" {listed(tell)} has",
                    f"Keep {listed(untold)} in a class with another anchor, or let only"
                    f" {listed(tell)} seal it",
                    other=("retention", name, "anchor"),
                )


def obligations_are_kept_by_law(case: Case) -> Iterator[Finding]:
    """What a legal obligation needs is kept in a class that names its law."""
    plan = case.plan
    for name, purpose in plan.purposes.items():
        if purpose.legal_basis != "legal_obligation":
            continue
        for class_name, retention in plan.retention.items():
            kept = set(purpose.categories) & set(retention.categories)
            if kept and retention.law is None:
                yield case.finding(
                    "retention-without-law",
                    ("retention", class_name),
                    f"retention class {class_name} keeps {min(kept)}",
                    f"purpose {name} needs that by law, and the class names none",
                    "Add `law = …` to the class",
                    other=("purposes", name, "legal_basis"),
                )


RULES: tuple[Rule, ...] = (
    categories_have_one_retention,
    accounting_is_kept_as_law_says,
    anchors_fit_the_keys,
    withdrawals_end_every_use,
    sharing_ends_with_the_event,
    anchors_are_told_by_who_seals,
    obligations_are_kept_by_law,
)
