"""What all plans that were ever in force come to."""

from __future__ import annotations

import pytest

from shared.privacy.all_plans import AllPlans
from shared.privacy.in_force import InForce
from shared.privacy.plan import Plan, PlanError
from shared.privacy.plan.load import read_plan
from tests.support.plans import PLAN, TEXT, WITHOUT_DIETS, WITHOUT_MARKETING, changed

FIRST = AllPlans.of_texts([TEXT.encode()])


def test_of_one_plan_they_are_what_it_says(plan: Plan) -> None:
    assert FIRST == AllPlans.of_plan(plan) == InForce(plan).all_plans
    assert FIRST.on_consent == {"dietary-needs", "networking", "marketing"}
    assert ("consent", "marketing") in FIRST.grants
    assert ("registration", "marketing") not in FIRST.grants
    assert ("voucher", "accounting") in FIRST.kept_in


def test_of_several_they_are_what_any_of_them_says() -> None:
    less = AllPlans.of_texts([WITHOUT_DIETS.encode(), WITHOUT_DIETS.encode()])
    assert less.on_consent == {"networking", "marketing"}
    assert ("registration", "dietary-needs") not in less.grants
    assert ("diet", "diet") not in less.kept_in
    assert AllPlans.of_texts([WITHOUT_DIETS.encode(), WITHOUT_MARKETING.encode()]) == FIRST


def test_a_plan_that_this_release_does_not_accept_counts() -> None:
    other = changed(
        ('legal_basis = "consent"\ncategories = ["networking"]', 'legal_basis = "whim"')
    ).encode()
    with pytest.raises(PlanError):
        read_plan(other, PLAN)
    assert AllPlans.of_texts([other]).on_consent == {"dietary-needs", "marketing"}
