"""What plans say of how long things are kept: the one in force, and those before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from services.retention.domain import Books, Former, RetentionClass, Rules
from shared.privacy.in_force import Derived, InForce
from shared.privacy.plan import Plan


def rules_of(in_force: InForce) -> Derived[Rules]:
    """The rules while a plan is in force, after all that there were before it."""

    def work_out(plan: Plan) -> Rules:
        ever = in_force.all_plans
        kept_from = {
            known: RetentionClass(kept.retention_class, kept.anchor, kept.period)
            for known, kept in ever.kept_from.items()
        }
        of_category = {name: kept_from[name, kept.anchor] for name, kept in ever.kept.items()}
        return Rules(_classes(plan), of_category, kept_from)

    return Derived(in_force, work_out)


def _classes(plan: Plan) -> dict[str, RetentionClass]:
    return {
        name: RetentionClass(name, kept.anchor, kept.period)
        for name, kept in plan.retention.items()
    }


def books_of(plan: Plan, kept_in: Mapping[tuple[str, str], datetime | None]) -> Books:
    """What the rows of invoices are sealed in, which are kept by the name that their class had.
    `kept_in` has the (class, category) of all plans that there were, and until when: a class may
    have lost its name, or a category alone.
    """
    classes = _classes(plan)
    kept_now = {category: classes[plan.retention_of(category)[0]] for category in plan.categories}
    former: dict[str, list[Former]] = {}
    for name, category in sorted(kept_in):
        until = kept_in[name, category]
        if until is not None:
            former.setdefault(name, []).append(Former(category, until, kept_now.get(category)))
    return Books({name: kept.categories for name, kept in plan.retention.items()}, former)
