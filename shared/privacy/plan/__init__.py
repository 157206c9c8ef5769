"""The plan: its parts, how it is loaded, and the rules by which it must agree with itself."""

from shared.privacy.plan.findings import Finding, PlanError
from shared.privacy.plan.load import load_former_plan, load_plan, load_with_text
from shared.privacy.plan.models import (
    Accountability,
    Authority,
    Category,
    Contact,
    FieldOfData,
    Mandate,
    Organisation,
    Purpose,
    Recipient,
    RetentionClass,
    ServicePart,
    Source,
    Unit,
    VatClass,
    Wording,
)
from shared.privacy.plan.period import Period
from shared.privacy.plan.plan import Plan

__all__ = [
    "Accountability",
    "Authority",
    "Category",
    "Contact",
    "FieldOfData",
    "Finding",
    "Mandate",
    "Organisation",
    "Period",
    "Plan",
    "PlanError",
    "Purpose",
    "Recipient",
    "RetentionClass",
    "ServicePart",
    "Source",
    "Unit",
    "VatClass",
    "Wording",
    "load_former_plan",
    "load_plan",
    "load_with_text",
]
