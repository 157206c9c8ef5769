"""The rules by which the parts of a plan must agree with each other. Each rule finds all it can."""

from __future__ import annotations

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.lines import Lines
from shared.privacy.plan.plan import Plan
from shared.privacy.plan.rules import (
    data,
    dating,
    outside,
    parties,
    purposes,
    retention,
    services,
    words,
)
from shared.privacy.plan.rules.rule import Case, Rule

RULES: tuple[Rule, ...] = (
    *data.RULES,
    *purposes.RULES,
    *retention.RULES,
    *outside.RULES,
    *parties.RULES,
    *services.RULES,
    *dating.RULES,
    *words.RULES,
)

RULES_OF_FILES: tuple[Rule, ...] = (*RULES, *services.RULES_OF_THE_RELEASE)
"""By these a file is judged that is to be in force. A plan that was in force once is read by
`RULES`: what it says still holds for its time when later releases have other services.
"""


def check(
    plan: Plan, lines: Lines, file: str, rules: tuple[Rule, ...] = RULES_OF_FILES
) -> list[Finding]:
    """Every contradiction of a plan that has its form. `file` is how findings name it."""
    case = Case(plan, lines, file)
    return [finding for rule in rules for finding in rule(case)]
