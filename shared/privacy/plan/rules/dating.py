"""What came later than data that exists, and on what ground it covers that."""

from __future__ import annotations

from collections.abc import Iterator

from shared.privacy.plan.findings import Finding
from shared.privacy.plan.models import Dated
from shared.privacy.plan.rules.rule import Case, Rule


def grounds_have_a_date(case: Case) -> Iterator[Finding]:
    """Earlier than what? Without a date, a purpose or recipient covers all data anyway."""
    dated: tuple[tuple[str, dict[str, Dated]], ...] = (
        ("purposes", {**case.plan.purposes}),
        ("recipients", {**case.plan.recipients}),
    )
    for table, parts in dated:
        for name, part in parts.items():
            if part.covers_earlier_data is not None and part.since is None:
                yield case.finding(
                    "ground-without-date",
                    (table, name, "covers_earlier_data"),
                    f"{table}.{name} says on what ground it covers earlier data",
                    "it does not say since when there is such a thing",
                    "Add `since = …`, the day from which on it is in force",
                )


def grounds_reach_as_far_as_purposes(case: Case) -> Iterator[Finding]:
    """A recipient is given data for a purpose; it gets no older data than that purpose may use."""
    plan = case.plan
    for name, recipient in plan.recipients.items():
        for purpose_name in recipient.purposes:
            purpose = plan.purposes.get(purpose_name)
            if recipient.covers_earlier_data is None or purpose is None:
                continue
            if purpose.since is not None and purpose.covers_earlier_data is None:
                yield case.finding(
                    "ground-beyond-purpose",
                    ("recipients", name, "covers_earlier_data"),
                    f"recipient {name} is to get data from before it was named",
                    f"its purpose {purpose_name} covers none from before {purpose.since}",
                    "Say at the purpose on what ground it does, or take the ground out here",
                    other=("purposes", purpose_name, "since"),
                )


RULES: tuple[Rule, ...] = (grounds_have_a_date, grounds_reach_as_far_as_purposes)
