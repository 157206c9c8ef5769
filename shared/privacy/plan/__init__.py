"""The plan: its parts, how it is loaded, and the rules by which it must agree with itself."""

from shared.privacy.plan.findings import Finding, PlanError
from shared.privacy.plan.load import load_plan
from shared.privacy.plan.models import (
    Category,
    FieldOfData,
    Organisation,
    Period,
    Purpose,
    Recipient,
    RetentionClass,
    ServicePart,
    Source,
    Unit,
    VatClass,
    Wording,
)
from shared.privacy.plan.plan import Plan

__all__ = [
    "Category",
    "FieldOfData",
    "Finding",
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
    "load_plan",
]
