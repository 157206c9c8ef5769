"""Retention: every category has one period, and accounting the one that law sets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.models import Anchor
from shared.privacy.plan.period import Period
from shared.privacy.plan.rules.rule import Case, Rule

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
    obligations_are_kept_by_law,
)
