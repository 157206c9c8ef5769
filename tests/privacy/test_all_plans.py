"""What all plans that were ever in force come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.privacy.all_plans import AfterConsent, AllPlans, Kept, resting_on
from shared.privacy.in_force import InForce
from shared.privacy.plan import Period, Plan, PlanError
from shared.privacy.plan.load import read_plan
from tests.conftest import SettingsFactory
from tests.support.applied import apply
from tests.support.plans import (
    BUYERS_APART,
    DIETS_FROM_WITHDRAWAL,
    MARKETING_ON_CONTRACT,
    PLAN,
    TEXT,
    WITH_INTERESTS,
    WITHOUT_DIETS,
    WITHOUT_MARKETING,
    changed,
)
from tests.support.work import service_at_work

A_DAY = 'anchor = "consent_withdrawal"\nperiod = "P1D"'


def of_texts(*texts: str) -> AllPlans:
    """As if they had been in force, the newest first."""
    return AllPlans.of_texts((text.encode(), None) for text in texts)


FIRST = of_texts(TEXT)


def test_of_one_plan_they_are_what_it_says(plan: Plan) -> None:
    assert FIRST == AllPlans.of_plan(plan) == InForce(plan).all_plans
    assert FIRST.on_consent == {"dietary-needs", "networking", "marketing"}
    assert ("consent", "marketing") in FIRST.grants
    assert ("registration", "marketing") not in FIRST.grants
    kept = AfterConsent("marketing", Period())
    assert FIRST.resting == {
        "dietary-needs": {},
        "networking": {},
        "marketing": {"marketing": kept},
    }
    assert resting_on(plan) == FIRST.resting
    assert FIRST.kept_in["voucher", "accounting"] is None


def test_of_several_they_are_what_any_of_them_says() -> None:
    less = of_texts(WITHOUT_DIETS, WITHOUT_DIETS)
    assert less.on_consent == {"networking", "marketing"}
    assert ("registration", "dietary-needs") not in less.grants
    assert ("diet", "diet") not in less.kept_in
    assert of_texts(WITHOUT_DIETS, WITHOUT_MARKETING) == FIRST


def test_each_category_is_kept_as_the_newest_plan_says_that_had_it() -> None:
    longer = changed(('period = "P14D"', 'period = "P1M"'))
    of_all = of_texts(WITHOUT_DIETS, longer, TEXT)
    assert of_all.kept["diet"] == Kept("diet", "event_end", Period(months=1))
    assert of_all.kept["marketing"] == Kept("marketing", "consent_withdrawal", Period())
    assert of_all.kept.keys() == FIRST.kept.keys()


def test_what_rested_on_a_consent_is_kept_as_the_newest_plan_says_that_keeps_it() -> None:
    month = AfterConsent("interests", Period(months=1))
    year = AfterConsent("newsletter", Period(years=1))
    longer = changed(
        ("[retention.marketing]", "[retention.newsletter]"), ('"P0D"', '"P1Y"'), text=TEXT
    )
    of_all = of_texts(longer, MARKETING_ON_CONTRACT, WITH_INTERESTS, TEXT)
    assert of_all.resting["marketing"] == {"interests": month, "marketing": year}


def test_no_two_plans_together_let_rest_on_a_consent_what_neither_did() -> None:
    """One reads a category for a purpose, and one keeps it until a consent to another one ends."""
    moved = changed(
        ('"marketing"]\n\n# --- Sources', '"marketing", "diet"]\n\n# --- Sources'),
        ('"explicit_consent"\ncategories = ["diet", ', '"explicit_consent"\ncategories = ['),
        text=DIETS_FROM_WITHDRAWAL,
    )
    of_all = of_texts(moved, TEXT)
    assert set(of_all.resting["marketing"]) == {"marketing", "diet"}
    assert of_all.resting["dietary-needs"] == {}


def test_each_category_is_kept_from_each_anchor_as_the_newest_plan_says_that_had_it_so() -> None:
    longer = changed(('period = "P14D"', 'period = "P1M"'))
    of_all = of_texts(DIETS_FROM_WITHDRAWAL, longer, TEXT)
    fortnight = Kept("diet", "consent_withdrawal", Period(days=14))
    assert of_all.kept["diet"] == of_all.kept_from["diet", "consent_withdrawal"] == fortnight
    assert of_all.kept_from["diet", "event_end"] == Kept("diet", "event_end", Period(months=1))


async def test_of_the_plans_in_their_order_the_one_that_was_put_in_force_last_is_the_newest(
    service_settings: SettingsFactory, database: str, tmp_path: Path
) -> None:
    """Also where it had been in force before."""
    shorter = changed(('anchor = "consent_withdrawal"\nperiod = "P0D"', A_DAY))
    for text in (shorter, TEXT):
        await apply(database, tmp_path, text)
    async with service_at_work(service_settings, "retention") as work:
        of_all = work.parts.privacy.in_force.all_plans
    assert of_all.resting["marketing"] == {"marketing": AfterConsent("marketing", Period())}


async def test_what_a_class_had_is_known_until_the_plan_came_into_force_that_took_it_away(
    service_settings: SettingsFactory, database: str, tmp_path: Path
) -> None:
    """Whichever came after that, and though it was given back in between."""
    for text in (BUYERS_APART, TEXT, BUYERS_APART, f"{BUYERS_APART}\n# The same.\n"):
        await apply(database, tmp_path, text)
    async with service_at_work(service_settings, "retention") as work:
        in_force = work.parts.privacy.in_force
        kept_in = in_force.all_plans.kept_in
        taken_away = await work.value(
            "select max(applied_at) from plan where number < $1", in_force.number
        )
    assert kept_in["voucher", "accounting"] == taken_away
    assert kept_in["buyers", "accounting"] is None


def test_a_plan_that_this_release_does_not_accept_counts() -> None:
    other = changed(
        ('legal_basis = "consent"\ncategories = ["networking"]', 'legal_basis = "whim"')
    )
    with pytest.raises(PlanError):
        read_plan(other.encode(), PLAN)
    assert of_texts(other).on_consent == {"dietary-needs", "marketing"}
